package import Primitives

extension ProviderPool {
    /// Anything well-formed came from the provider, a PONG included. One store; call it for every message.
    @inline(__always) package mutating func heard(_ handle: EntryHandle, now: MonotonicInstant) {
        guard let index = resolve(handle) else { return }
        self[at: index].liveness.heard(at: now)
    }

    /// A `heartbeat`: updates the entry, follows its status, and notices when the machine has slept.
    package mutating func heartbeatReceived(
        _ handle: EntryHandle, _ report: HeartbeatReport, now: MonotonicInstant
    ) -> [PoolAction] {
        guard let index = resolve(handle), self[at: index].isConnected else { return [] }
        var actions: [PoolAction] = []
        let gap = self[at: index].liveness.heartbeatReceived(at: now)
        take(report, index)
        transition(index, cause: .heartbeat, now: now, into: &actions) { machine in
            machine.reported(report.status, by: .heartbeat)
            return .none
        }
        if gap > settings.wakeGapThreshold {
            transition(index, cause: .wakeGap, now: now, into: &actions) { [settings] machine in
                machine.wakeGapNoticed(now: now, settings: settings)
            }
        }
        return actions
    }

    /// A `state_update`, with the slots of its `metrics_snapshot` where it has them.
    package mutating func stateUpdated(
        _ handle: EntryHandle, to state: ProviderState, slotsFree: Int?, slotsTotal: Int?, now: MonotonicInstant
    ) -> [PoolAction] {
        guard let index = resolve(handle), self[at: index].isConnected else { return [] }
        self[at: index].liveness.heard(at: now)
        if let slotsFree {
            let total = slotsTotal ?? self[at: index].reportedSlotsTotal
            self[at: index].slots.reported(free: slotsFree, total: total)
            refreshCandidate(index)
        }
        var actions: [PoolAction] = []
        transition(index, cause: .stateUpdate, now: now, into: &actions) { machine in
            machine.reported(state, by: .update)
            return .none
        }
        return actions
    }

    /// A `drain_status`. `isComplete` for the phase `complete`: the answer is then a close.
    package mutating func drainStatusReceived(
        _ handle: EntryHandle, isComplete: Bool, now: MonotonicInstant
    ) -> [PoolAction] {
        guard let index = resolve(handle) else { return [] }
        self[at: index].liveness.heard(at: now)
        var actions: [PoolAction] = []
        transition(index, cause: .drainStatus, now: now, into: &actions) { machine in
            machine.drainReported(isComplete: isComplete)
        }
        return actions
    }

    /// The `preflight_ack` of the last ``PoolAction/probe(_:)``.
    package mutating func probeAnswered(
        _ handle: EntryHandle, accepted: Bool, now: MonotonicInstant
    ) -> [PoolAction] {
        guard let index = resolve(handle) else { return [] }
        var actions: [PoolAction] = []
        transition(index, cause: .probe, now: now, into: &actions) { [settings] machine in
            machine.probeAnswered(accepted: accepted, now: now, settings: settings)
            return .none
        }
        return actions
    }

    /// Holds dispatch back, or lets it go on (a rekey). The state stays what it is.
    package mutating func setDispatchSuspended(_ handle: EntryHandle, _ isSuspended: Bool) {
        guard let index = resolve(handle) else { return }
        self[at: index].isDispatchSuspended = isSuspended
        refreshCandidate(index)
    }

    /// The provider answered an `inference_request` with `unknown_message_type`: it cannot be reached by tunnel.
    package mutating func markHTTPForwardingOnly(_ handle: EntryHandle) {
        guard let index = resolve(handle) else { return }
        self[at: index].inferencePath = self[at: index].endpointURL == nil ? .httpForwardingOnly : .httpForwarding
        refreshCandidate(index)
    }

    private mutating func take(_ report: HeartbeatReport, _ index: Int) {
        let before = self[at: index].profile
        var profile = before
        if !withByteView(before.modelID, { $0 == report.modelID }), !report.modelID.isEmpty {
            profile.modelID = report.modelID.string
        }
        profile.modelParamsB = report.modelParamsB
        profile.ramGB = report.ramGB
        profile.maxContextTokens = report.maxContextTokens
        profile.maxConcurrency = report.maxConcurrency
        profile.throughputTPSEstimate = report.throughputTPSEstimate
        profile.normalize()
        self[at: index].lastActivity = report.activity
        self[at: index].slots.setMaxConcurrency(profile.maxConcurrency)
        self[at: index].slots.reported(free: report.slotsFree, total: report.slotsTotal)
        guard profile.modelID != before.modelID || profile.maxContextTokens != before.maxContextTokens else {
            self[at: index].profile = profile
            refreshCandidate(index)
            return
        }
        // These two decide where the candidate stands, so it leaves its tree and enters it, or another one, anew.
        let place = UInt32(index)
        let oldModel = self[at: index].modelIndex
        candidates.remove(place, root: &modelTable[root: oldModel])
        let newModel = shareModelName(&profile)
        modelTable.release(oldModel)
        self[at: index].profile = profile
        self[at: index].modelIndex = newModel
        candidates.insert(place, self[at: index].candidateKey, root: &modelTable[root: newModel])
    }
}
