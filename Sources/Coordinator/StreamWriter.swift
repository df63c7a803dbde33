import Primitives

/// The way out of one HTTP connection: bytes wait here until the turn ends, and leave in batches of at most 64 KiB,
/// each with a deadline of its own while it is in flight.
struct StreamWriter: ~Copyable {
    enum State: Equatable {
        case idle
        case inFlight(deadline: MonotonicInstant)
        case closed
    }

    private var writeHalf: WriteHalf
    private(set) var state = State.idle
    /// What waits behind the batch in flight.
    var queue = ByteQueue()
    private let timeout: Duration

    init(writeHalf: consuming WriteHalf, timeout: Duration) {
        self.writeHalf = writeHalf
        self.timeout = timeout
    }

    /// The end of the batch in flight's time; nil while nothing is in flight.
    var deadline: MonotonicInstant? {
        if case .inFlight(let deadline) = state { return deadline }
        return nil
    }

    /// Nothing waits and nothing is in flight.
    var isDrained: Bool { queue.isEmpty && deadline == nil }

    @inline(__always)
    mutating func flush(now: MonotonicInstant) {
        while state == .idle, !queue.isEmpty {
            let batch = queue.view.prefix(WriteHalf.batchByteCount)
            switch writeHalf.write(batch) {
            case .written: queue.consume(batch.count)
            case .inFlight:
                queue.consume(batch.count)
                state = .inFlight(deadline: now + timeout)
            case .closed: close()
            }
        }
    }

    mutating func writeCompleted(now: MonotonicInstant) {
        if case .inFlight = state { state = .idle }
        flush(now: now)
    }

    mutating func close() {
        state = .closed
        queue.removeAll()
    }

    /// Gives up the right to write, for a protocol upgrade. What waits must have been flushed before.
    mutating func takeWriteHalf() -> WriteHalf {
        state = .closed
        var taken = WriteHalf.none
        swap(&taken, &writeHalf)
        return taken
    }
}
