import Primitives

/// Requests of one provisional provider in the running hour. The hour begins with its first request.
struct RequestQuota: Equatable, Sendable {
    static let window: Duration = .seconds(3600)

    private(set) var used = 0
    private(set) var windowEnd: MonotonicInstant

    init(now: MonotonicInstant) { windowEnd = now + Self.window }

    mutating func roll(now: MonotonicInstant) {
        if windowEnd <= now { self = RequestQuota(now: now) }
    }

    mutating func take(now: MonotonicInstant) {
        if used == 0 { windowEnd = now + Self.window }
        used += 1
    }

    /// For a request that was never dispatched.
    mutating func giveBack() { used = max(0, used - 1) }
}
