import Primitives

/// The model names that this process has seen, each with a small integer and the root of its candidates.
///
/// Names match without regard to the case of ASCII letters. A look-up by bytes makes no `String`. Names come from
/// providers, so the table is bounded: when it is full, a name that no entry uses gives up its place.
struct ModelTable: Sendable {
    struct Record: Sendable {
        /// As first announced.
        var name: String
        var hash: Int
        var nextWithSameHash: UInt32
        var entryCount = 0
        var isListedVacant = false
        var root = CandidateTree.none
    }

    private(set) var records: ContiguousArray<Record> = []
    private var firstWithHash: [Int: UInt32] = [:]
    private var vacant: [UInt32] = []
    private let capacity: Int
    private static let none = UInt32.max
    /// Names are at most 256 bytes (docs/protocol.md 3); a longer one is nobody's.
    private static let nameByteCount = 256

    init(capacity: Int) { self.capacity = capacity }

    subscript(root index: UInt32) -> UInt32 {
        get { records[Int(index)].root }
        set { records[Int(index)].root = newValue }
    }

    subscript(index: UInt32) -> Record { records[Int(index)] }

    func index(of name: ByteView) -> UInt32? {
        guard !name.isEmpty, name.count <= Self.nameByteCount else { return nil }
        var candidate = firstWithHash[hash(name)] ?? Self.none
        while candidate != Self.none {
            if matches(candidate, name) { return candidate }
            candidate = records[Int(candidate)].nextWithSameHash
        }
        return nil
    }

    /// The index of `name` for an entry that joins; balanced by ``release(_:)``.
    mutating func retain(_ name: String) -> UInt32 {
        let found = withByteView(name) { self.index(of: $0) }
        let index = found ?? insert(name)
        records[Int(index)].entryCount += 1
        return index
    }

    mutating func release(_ index: UInt32) {
        let position = Int(index)
        records[position].entryCount -= 1
        if records[position].entryCount == 0 && !records[position].isListedVacant {
            records[position].isListedVacant = true
            vacant.append(index)
        }
    }

    private mutating func insert(_ name: String) -> UInt32 {
        let hash = withByteView(name) { self.hash($0) }
        let record = Record(name: name, hash: hash, nextWithSameHash: firstWithHash[hash] ?? Self.none)
        guard records.count >= capacity, let reused = popVacant() else {
            records.append(record)
            firstWithHash[hash] = UInt32(records.count - 1)
            return UInt32(records.count - 1)
        }
        unlink(reused)
        records[Int(reused)] = record
        // Read again: the record that left may have headed this very chain.
        records[Int(reused)].nextWithSameHash = firstWithHash[hash] ?? Self.none
        firstWithHash[hash] = reused
        return reused
    }

    /// The name that became vacant last goes first: who floods the table with names displaces his own.
    private mutating func popVacant() -> UInt32? {
        while let index = vacant.popLast() {
            records[Int(index)].isListedVacant = false
            if records[Int(index)].entryCount == 0 { return index }
        }
        return nil
    }

    private mutating func unlink(_ index: UInt32) {
        let hash = records[Int(index)].hash
        let next = records[Int(index)].nextWithSameHash
        guard var candidate = firstWithHash[hash] else { return }
        if candidate == index {
            firstWithHash[hash] = next == Self.none ? nil : next
            return
        }
        while candidate != Self.none {
            if records[Int(candidate)].nextWithSameHash == index {
                records[Int(candidate)].nextWithSameHash = next
                return
            }
            candidate = records[Int(candidate)].nextWithSameHash
        }
    }

    private func matches(_ index: UInt32, _ name: ByteView) -> Bool {
        withByteView(records[Int(index)].name) { $0.equalsIgnoringCase(name) }
    }

    /// Seeded per process by the standard library, so that nobody can choose names that collide.
    private func hash(_ name: ByteView) -> Int {
        withUnsafeTemporaryAllocation(byteCount: Self.nameByteCount, alignment: 1) { buffer in
            let count = min(name.count, Self.nameByteCount)
            for offset in 0..<count { buffer[offset] = asciiLowercased(name[offset]) }
            var hasher = Hasher()
            hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
            return hasher.finalize()
        }
    }
}
