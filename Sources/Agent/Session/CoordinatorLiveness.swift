import Primitives

/// Whether the coordinator is still there: a quiet one is asked with a PING, one that does not answer is given up.
///
/// A half-open connection (the other machine vanished) would otherwise look well for hours, since heartbeats have no
/// answer and the kernel takes them for a long time.
struct CoordinatorLiveness: Equatable, Sendable {
    private enum State: Equatable, Sendable {
        case heard(MonotonicInstant)
        case asked(MonotonicInstant)
    }

    enum Verdict: Equatable {
        case none, ping, gone
    }

    let pingInterval: Duration
    let pongTimeout: Duration
    private var state: State

    init(pingInterval: Duration, pongTimeout: Duration, now: MonotonicInstant) {
        self.pingInterval = pingInterval
        self.pongTimeout = pongTimeout
        state = .heard(now)
    }

    /// Bytes came: any are a sign of life.
    mutating func heard(now: MonotonicInstant) { state = .heard(now) }

    var nextDeadline: MonotonicInstant {
        switch state {
        case .heard(let instant): instant + pingInterval
        case .asked(let instant): instant + pongTimeout
        }
    }

    /// Early and repeated calls are harmless.
    mutating func deadlineReached(now: MonotonicInstant) -> Verdict {
        guard now >= nextDeadline else { return .none }
        if case .asked = state { return .gone }
        state = .asked(now)
        return .ping
    }
}
