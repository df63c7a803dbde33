import Primitives

/// Connections beyond the limit that have got their answer: kept a moment so that the peer can read it, since closing a
/// socket whose request was not read resets it and the answer is lost on the way.
struct RefusedConnections: ~Copyable {
    /// How long one is kept.
    private static let lingerTime = Duration.milliseconds(500)
    /// Most that are kept; beyond that the oldest go at once.
    private static let countLimit = 64

    private var waiting: [(descriptor: Int32, deadline: MonotonicInstant)] = []

    /// Takes over `descriptor`.
    /// - Returns: when ``closeExpired(now:)`` is due for it.
    mutating func add(_ descriptor: Int32, now: MonotonicInstant) -> MonotonicInstant? {
        if waiting.count == Self.countLimit { finish(waiting.removeFirst().descriptor) }
        let deadline = now + Self.lingerTime
        waiting.append((descriptor, deadline))
        return deadline
    }

    mutating func closeExpired(now: MonotonicInstant) {
        while let first = waiting.first, first.deadline <= now {
            finish(first.descriptor)
            waiting.removeFirst()
        }
    }

    mutating func closeAll() {
        for connection in waiting { finish(connection.descriptor) }
        waiting = []
    }

    private func finish(_ descriptor: Int32) {
        discardUnread(descriptor)
        closeDescriptor(descriptor)
    }

    deinit {
        for connection in waiting { finish(connection.descriptor) }
    }
}
