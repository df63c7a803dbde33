package import Primitives

extension ProviderPool {
    /// When to call ``deadlineReached(now:)``; nil while nothing can become due. It may be too early, never too late.
    /// O(1).
    package var nextDeadline: MonotonicInstant? { deadlines.first?.deadline }

    /// Back-offs, probes, wake-ups, drains, grace periods, PINGs, silence, late heartbeats and quotas whose time has
    /// come. O(log n) for each of them.
    package mutating func deadlineReached(now: MonotonicInstant) -> [PoolAction] {
        var actions: [PoolAction] = []
        while let (deadline, place) = deadlines.first, deadline <= now {
            deadlines.remove(place)
            let handle = handle(at: place)
            runDeadlines(of: Int(place), now: now, into: &actions)
            guard let index = resolve(handle), let next = self[at: index].deadline(settings) else { continue }
            // Whatever the settings are (an interval of 0), the loop ends.
            deadlines.set(place, max(next, now + .nanoseconds(1)))
        }
        return actions
    }

    private mutating func runDeadlines(of index: Int, now: MonotonicInstant, into actions: inout [PoolAction]) {
        if self[at: index].isOverQuota, self[at: index].quota.windowEnd <= now {
            self[at: index].quota.roll(now: now)
            refreshCandidate(index)
        }
        runLiveness(of: index, now: now, into: &actions)
        transition(index, cause: .deadline, now: now, into: &actions) { [settings] machine in
            machine.deadlineReached(now: now, settings: settings)
        }
    }

    private mutating func runLiveness(of index: Int, now: MonotonicInstant, into actions: inout [PoolAction]) {
        let handle = handle(at: UInt32(index))
        // A late heartbeat, a PING and the end can fall together; with nonsensical settings a PING is due for ever.
        for _ in 0..<4 {
            switch self[at: index].liveness.deadlineReached(now: now, settings: settings) {
            case .none:
                return
            case .sendPing:
                actions.append(.sendPing(handle))
            case .heartbeatLate:
                actions.append(.heartbeatLate(handle, silence: now - self[at: index].lastHeartbeatAt))
            case .silent:
                transition(index, cause: .silence, now: now, into: &actions) { machine in
                    machine.silenceNoticed()
                    return .none
                }
                actions.append(.close(handle, .silent))
            }
        }
    }
}
