import Primitives

/// Whether a connected provider still lives: when it was last heard, when it last sent a heartbeat, and what is due.
///
/// ``heard(at:)`` is called for every message and costs one store; deadlines are looked at only when a timer fires, so
/// a timer may come early and finds nothing to do.
struct Liveness: Equatable, Sendable {
    enum Action: Equatable {
        case none
        case sendPing
        case heartbeatLate
        case silent
    }

    private enum Phase: Equatable {
        case listening
        case awaitingPong(since: MonotonicInstant)
        case ended
    }

    private(set) var lastHeard: MonotonicInstant
    private(set) var lastHeartbeat: MonotonicInstant
    private var isLateReported = false
    private var phase = Phase.listening

    init(now: MonotonicInstant) {
        lastHeard = now
        lastHeartbeat = now
    }

    @inline(__always) mutating func heard(at now: MonotonicInstant) { lastHeard = now }

    /// Returns the time since the heartbeat before, or since the session began.
    mutating func heartbeatReceived(at now: MonotonicInstant) -> Duration {
        let gap = now - lastHeartbeat
        lastHeard = now
        lastHeartbeat = now
        isLateReported = false
        return gap
    }

    mutating func end() { phase = .ended }

    /// The earliest instant at which something may be due, or nil when the session has ended.
    func deadline(_ settings: PoolSettings) -> MonotonicInstant? {
        if phase == .ended { return nil }
        var earliest = min(silenceDeadline(settings), pingDeadline(settings))
        if !isLateReported { earliest = min(earliest, lateDeadline(settings)) }
        return earliest
    }

    /// At most one thing per call; the caller asks again until `none`.
    mutating func deadlineReached(now: MonotonicInstant, settings: PoolSettings) -> Action {
        if phase == .ended { return .none }
        if case .awaitingPong(let since) = phase {
            if lastHeard >= since {
                phase = .listening
            } else if pingDeadline(settings) <= now {
                phase = .ended
                return .silent
            }
        }
        if silenceDeadline(settings) <= now {
            phase = .ended
            return .silent
        }
        if phase == .listening, pingDeadline(settings) <= now {
            phase = .awaitingPong(since: now)
            return .sendPing
        }
        if !isLateReported, lateDeadline(settings) <= now {
            isLateReported = true
            return .heartbeatLate
        }
        return .none
    }

    private func silenceDeadline(_ settings: PoolSettings) -> MonotonicInstant {
        lastHeard + settings.heartbeatMissThreshold
    }

    private func pingDeadline(_ settings: PoolSettings) -> MonotonicInstant {
        guard let interval = settings.pingInterval else { return .distantFuture }
        if case .awaitingPong(let since) = phase, lastHeard < since { return since + interval }
        return lastHeard + interval
    }

    /// One and a half intervals (docs/protocol.md 5).
    private func lateDeadline(_ settings: PoolSettings) -> MonotonicInstant {
        lastHeartbeat + settings.heartbeatInterval * 3 / 2
    }
}
