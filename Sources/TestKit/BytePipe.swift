package import Primitives

/// A stand-in for a socket's sending side: what a ``WriteHalf`` is given comes out at ``read()``.
///
///     WriteHalf ──write──▶ [rest of the batch in flight]──▶[ room of `capacity` ]──read()──▶ test
///
/// It takes a batch at once while its room lasts; else it keeps the rest, as a driver does, until reads have made room.
/// It keeps a list of what a writer must not do, first of all a second write while one is in flight.
package final class BytePipe: ByteSink {
    /// How large the pieces are that ``read()`` gives.
    package enum CutPolicy: Sendable {
        case whole
        case pieces(of: Int)
        /// 1 to `atMost` bytes.
        case random(SeededRandom, atMost: Int)
    }

    package enum Violation: Equatable, Sendable {
        case writeWhileInFlight
        case batchTooLong(Int)
        case emptyBatch
        case writeAfterClose
    }

    /// The peer does not read: ``read()`` gives nothing.
    package var isStalled = false
    package private(set) var violations: [Violation] = []
    /// The length of each batch, in order.
    package private(set) var batches: [Int] = []

    private let capacity: Int
    private var cuts: CutPolicy
    private var room: [UInt8] = []
    private var inFlight: [UInt8] = []
    private var completionIsDue = false
    private var ending = Ending.open

    private enum Ending { case open, closed, failed }

    /// - Parameter capacity: bytes that are taken without a reader, at least 1.
    package init(capacity: Int = .max, cuts: CutPolicy = .whole) {
        self.capacity = max(1, capacity)
        self.cuts = cuts
    }

    package func write(_ batch: ByteView) -> WriteOutcome {
        switch ending {
        case .open: break
        case .failed: return .closed
        case .closed:
            violations.append(.writeAfterClose)
            return .closed
        }
        if hasBatchInFlight { violations.append(.writeWhileInFlight) }
        if batch.isEmpty { violations.append(.emptyBatch) }
        if batch.count > WriteHalf.batchByteCount { violations.append(.batchTooLong(batch.count)) }
        batches.append(batch.count)
        inFlight += batch.array
        fillRoom()
        guard inFlight.isEmpty else { return .inFlight }
        completionIsDue = false
        return .written
    }

    /// Whether a batch was answered `.inFlight` and its end has not been told.
    package var hasBatchInFlight: Bool { !inFlight.isEmpty || completionIsDue }

    /// Whether a read would give something.
    package var isReadable: Bool { !isStalled && !room.isEmpty }

    /// Bytes written and not read yet.
    package var unreadByteCount: Int { room.count + inFlight.count }

    /// The next piece, or nothing.
    package func read() -> [UInt8] {
        guard isReadable else { return [] }
        let length: Int
        switch cuts {
        case .whole: length = room.count
        case .pieces(let size): length = size
        case .random(var random, let most):
            length = Int.random(in: 1...max(1, most), using: &random)
            cuts = .random(random, atMost: most)
        }
        let piece = Array(room.prefix(max(1, length)))
        room.removeFirst(piece.count)
        let wasInFlight = !inFlight.isEmpty
        fillRoom()
        if wasInFlight, inFlight.isEmpty { completionIsDue = true }
        return piece
    }

    /// True once after a batch that was in flight has left: the writer is to be told.
    package func takeCompletion() -> Bool {
        defer { completionIsDue = false }
        return completionIsDue
    }

    /// The owner has closed the connection: a further write is held against the writer.
    package func close() { ending = .closed }

    /// The peer has reset the connection, which the writer learns with its next write.
    package func fail() { ending = .failed }

    private func fillRoom() {
        let taken = min(inFlight.count, capacity - room.count)
        guard taken > 0 else { return }
        room += inFlight.prefix(taken)
        inFlight.removeFirst(taken)
    }
}
