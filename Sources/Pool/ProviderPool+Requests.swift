package import Primitives

extension ProviderPool {
    /// Takes a slot for a request that ``route(_:now:)`` sent here, and one of the hour's quota.
    ///
    /// False when the entry cannot take it (any more): route again.
    package mutating func requestStarted(_ handle: EntryHandle, now: MonotonicInstant) -> Bool {
        guard let index = resolve(handle) else { return false }
        if self[at: index].tier == .provisional { self[at: index].quota.roll(now: now) }
        guard self[at: index].eligibility == .eligible, self[at: index].slots.take() else { return false }
        self[at: index].counters.dispatched &+= 1
        counts.activeRequests += 1
        if self[at: index].tier == .provisional {
            self[at: index].quota.take(now: now)
            if self[at: index].isOverQuota { advanceDeadline(index) }
        }
        refreshCandidate(index)
        return true
    }

    /// Gives the slot back, once per ``requestStarted(_:now:)`` that said yes. A cancelled request keeps its slot until
    /// its `inference_response_end` has come or its 10 s are over; that is when to call this.
    package mutating func requestFinished(
        _ handle: EntryHandle, outcome: RequestOutcome, now: MonotonicInstant
    ) -> [PoolAction] {
        guard let index = resolve(handle), self[at: index].slots.giveBack() else { return [] }
        self[at: index].counters.count(outcome)
        counts.activeRequests -= 1
        if outcome == .withdrawn && self[at: index].tier == .provisional { self[at: index].quota.giveBack() }
        refreshCandidate(index)
        switch outcome {
        case .completed, .refused:
            self[at: index].machine.requestAnswered()
            return []
        case .cancelled, .withdrawn:
            return []
        case .failed, .timedOut:
            var actions: [PoolAction] = []
            transition(index, cause: .requestOutcome, now: now, into: &actions) { [settings] machine in
                if outcome == .failed {
                    machine.requestFailed(now: now, settings: settings)
                } else {
                    machine.requestTimedOut(now: now, settings: settings)
                }
                return .none
            }
            return actions
        }
    }
}
