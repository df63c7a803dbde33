/// Bytes that wait: appended at the back, consumed from the front, always contiguous.
///
/// An empty queue owns no memory, so an idle connection costs none. ``padding`` readable bytes follow the content,
/// which lets vector code (simdjson) read past the end without a copy.
public struct ByteQueue: ~Copyable {
    /// Bytes that may be read, but mean nothing, behind ``view``.
    public static let padding = 64
    /// Memory kept by an emptied queue that is still in use; more is given back.
    private static let keptCapacity = 16 * 1024

    private var storage: UnsafeMutablePointer<UInt8>?
    private var capacity = 0
    private var head = 0
    private var tail = 0

    public init() {}

    deinit { storage?.deallocate() }

    @inline(__always) public var count: Int { tail - head }
    @inline(__always) public var isEmpty: Bool { tail == head }
    /// Bytes of memory held, padding included.
    public var allocatedByteCount: Int { storage == nil ? 0 : capacity + Self.padding }

    /// What waits. Valid until the next mutation.
    @inline(__always) public var view: ByteView {
        guard let storage else { return .empty }
        return ByteView(base: storage + head, count: tail - head)
    }

    /// What waits, open to change in place. Valid until the next mutation.
    @inline(__always) public var mutableView: MutableByteView? {
        mutating get {
            guard let storage else { return nil }
            return MutableByteView(base: storage + head, count: tail - head)
        }
    }

    @inline(__always) public mutating func append(_ byte: UInt8) {
        reserve(1)[0] = byte
        tail += 1
    }

    @inline(__always) public mutating func append(_ bytes: ByteView) {
        let target = reserve(bytes.count)
        memoryCopy(target, bytes.base, bytes.count)
        tail += bytes.count
    }

    @inline(__always) public mutating func append(_ literal: StaticString) {
        append(ByteView(literal))
    }

    public mutating func append(_ array: [UInt8]) { withByteView(array) { append($0) } }

    public mutating func append(_ text: String) {
        withByteView(text) { append($0) }
    }

    /// Decimal digits of `number`. O(digits).
    public mutating func append(decimal number: Int) {
        var magnitude = number.magnitude
        let target = reserve(20)
        var length = 0
        if number < 0 {
            target[0] = 0x2D
            length = 1
        }
        let first = length
        repeat {
            target[length] = 0x30 + UInt8(truncatingIfNeeded: magnitude % 10)
            magnitude /= 10
            length += 1
        } while magnitude > 0
        var low = first
        var high = length - 1
        while low < high {
            (target[low], target[high]) = (target[high], target[low])
            low += 1
            high -= 1
        }
        tail += length
    }

    /// Lower-case hexadecimal digits of `number`, without leading zeros.
    public mutating func append(hexadecimal number: Int) {
        let value = UInt(bitPattern: number)
        var shift = max(0, (UInt.bitWidth - 1 - value.leadingZeroBitCount) / 4 * 4)
        if value == 0 { shift = 0 }
        let target = reserve(16)
        var length = 0
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (value >> UInt(shift)) & 0xF)
            target[length] = digit < 10 ? 0x30 + digit : 0x57 + digit
            length += 1
            shift -= 4
        }
        tail += length
    }

    /// Room for `length` bytes behind the content; say with ``commit(_:)`` how many were written.
    @inline(__always) public mutating func reserve(_ length: Int) -> UnsafeMutablePointer<UInt8> {
        if let storage, capacity - tail >= length { return storage + tail }
        return makeRoom(for: length)
    }

    /// Counts `length` bytes, written where ``reserve(_:)`` pointed, as content.
    @inline(__always) public mutating func commit(_ length: Int) {
        precondition(length >= 0 && length <= capacity - tail, "more committed than reserved")
        tail += length
    }

    /// Removes `length` bytes from the front.
    @inline(__always) public mutating func consume(_ length: Int) {
        precondition(length >= 0 && length <= tail - head, "more consumed than waits")
        head += length
        if head == tail { rewind() }
    }

    /// Cuts the content back to its first `length` bytes.
    @inline(__always) public mutating func truncate(to length: Int) {
        precondition(length >= 0 && length <= tail - head, "truncated to more than waits")
        tail = head + length
    }

    /// Moves the content from `offset` on by `distance` bytes; what the move uncovers or overwrites is the caller's
    /// affair. Used where a header turned out to be shorter or longer than the room left for it.
    public mutating func shift(from offset: Int, by distance: Int) {
        precondition(offset >= 0 && offset <= count && offset + distance >= 0, "shift outside the content")
        let length = count - offset
        if distance > 0 { _ = reserve(distance) }
        guard let storage else { return }
        let start = storage + head + offset
        memoryMove(start + distance, start, length)
        tail += distance
    }

    /// Drops everything and gives the memory back.
    public mutating func removeAll() {
        storage?.deallocate()
        storage = nil
        capacity = 0
        head = 0
        tail = 0
    }

    private mutating func rewind() {
        head = 0
        tail = 0
        if capacity > Self.keptCapacity { removeAll() }
    }

    /// Gives back the memory of an empty queue, for a connection that goes idle.
    public mutating func releaseIfEmpty() {
        if isEmpty { removeAll() }
    }

    @inline(never) private mutating func makeRoom(for length: Int) -> UnsafeMutablePointer<UInt8> {
        let used = tail - head
        if let storage, capacity - used >= length, head >= used {
            memoryMove(storage, storage + head, used)
            head = 0
            tail = used
            return storage + tail
        }
        let needed = used + length
        let grown = max(256, max(needed, capacity * 2))
        let fresh = UnsafeMutablePointer<UInt8>.allocate(capacity: grown + Self.padding)
        (fresh + grown).initialize(repeating: 0, count: Self.padding)
        if let storage {
            memoryCopy(fresh, storage + head, used)
            storage.deallocate()
        }
        storage = fresh
        capacity = grown
        head = 0
        tail = used
        return fresh + tail
    }
}
