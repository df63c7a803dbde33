package import Primitives

/// All providers of one shard: who is in, how they are, who takes the next request (docs/protocol.md 2.3, 5, 6, 8).
///
/// A value without I/O. Its owner drives it like this:
///
/// 1. A valid `hello` → ``admit(_:sessionID:now:wallTime:)``. On success keep ``Admission/handle`` in the session,
///    close ``Admission/replaced`` with 1008, store a new provisional id; on refusal close with the refusal's code.
/// 2. Whatever a session receives → ``heard(_:now:)`` (cheap enough for every message), and for the messages about its
///    state ``heartbeatReceived(_:_:now:)``, ``stateUpdated(_:to:slotsFree:slotsTotal:now:)``,
///    ``drainStatusReceived(_:isComplete:now:)``, ``probeAnswered(_:accepted:now:)``.
/// 3. A request → ``route(_:now:)``, then in the same turn ``requestStarted(_:now:)``, which takes the slot (also
///    before a preflight), and at its end exactly once ``requestFinished(_:outcome:now:)``. To try the next candidate,
///    route again with those tried in ``RouteQuery/excluding``.
/// 4. The connection is gone, whoever closed it → ``disconnected(_:now:)``.
/// 5. One timer at ``nextDeadline``, asked anew after each turn → ``deadlineReached(now:)``. It may fire early or late.
///
/// Each returned ``PoolAction`` is carried out in the order given. A stale handle is harmless everywhere. Nothing here
/// costs more than O(log n) but the listings (``entries``, ``models``), which are O(n).
package struct ProviderPool: ~Copyable, Sendable {
    struct Place: Sendable {
        var generation: UInt32 = 1
        var entry: PoolEntry?
    }

    package let settings: PoolSettings
    package internal(set) var counts = PoolCounts()

    var places: ContiguousArray<Place> = []
    var freePlaces: [UInt32] = []
    /// Sessions that live.
    var placesBySession: [UniqueID: UInt32] = [:]
    /// Every entry, also in its grace period.
    var placesByProvider: [String: UInt32] = [:]
    var modelTable: ModelTable
    var candidates = CandidateTree()
    var deadlines = DeadlineHeap()
    var admission: AdmissionControl
    /// Hours that provisional providers left unfinished: a reconnect does not begin a new one.
    var retiredQuotas: [String: RequestQuota] = [:]
    var retiredQuotaLimit = 1024
    var lastSequence: UInt64 = 0

    package init(settings: PoolSettings, records: AdmissionRecords = AdmissionRecords()) {
        self.settings = settings
        admission = AdmissionControl(settings: settings.admission, records: records)
        // Entries are at most twice maxProviders (half of them in their grace period), so there is always a name to
        // give up.
        modelTable = ModelTable(capacity: 2 * min(max(settings.maxProviders, 1), 1 << 24) + 1024)
    }

    // MARK: Looking

    /// The entry, or nil for a stale handle. A copy: not for the way of a chunk.
    package subscript(handle: EntryHandle) -> PoolEntry? {
        guard let index = resolve(handle) else { return nil }
        return places[index].entry
    }

    /// By `assigned_id`, while the session lives.
    package func handle(session: UniqueID) -> EntryHandle? { placesBySession[session].map { handle(at: $0) } }

    /// By `provider_id`, also in the grace period.
    package func handle(provider: String) -> EntryHandle? { placesByProvider[provider].map { handle(at: $0) } }

    package func standing(of providerID: String) -> ProviderStanding { admission.standing(of: providerID) }

    package var admissionRecords: AdmissionRecords { admission.records }

    /// Every entry, in no particular order. O(n).
    package var entries: [PoolEntry] { places.compactMap(\.entry) }

    /// Every live session. O(n).
    package var connectedHandles: [EntryHandle] {
        places.compactMap { place in place.entry.flatMap { $0.isConnected ? $0.handle : nil } }
    }

    /// Whether anybody has offered the model since the process began.
    package func hasSeenModel(_ name: ByteView) -> Bool { modelTable.index(of: name) != nil }

    /// The model as it was first announced; nil if nobody has offered it since the process began.
    package func announcedName(of model: ByteView) -> String? {
        modelTable.index(of: model).map { modelTable[$0].name }
    }

    /// The models that somebody offers who is connected and neither draining nor unavailable, by name. O(n log n).
    package var models: [ModelSummary] {
        var summaries: [UInt32: ModelSummary] = [:]
        for case let entry? in places.lazy.map(\.entry) where entry.offersModel {
            let name = modelTable[entry.modelIndex].name
            var summary =
                summaries[entry.modelIndex]
                ?? ModelSummary(name: name, providerCount: 0, maxContextTokens: 0, totalSlots: 0, freeSlots: 0)
            summary.providerCount += 1
            summary.maxContextTokens = max(summary.maxContextTokens, entry.profile.maxContextTokens)
            summary.totalSlots += entry.profile.maxConcurrency
            if entry.state == .ready { summary.freeSlots += entry.freeSlots }
            summaries[entry.modelIndex] = summary
        }
        return summaries.values.sorted { $0.name < $1.name }
    }

    // MARK: Places

    func resolve(_ handle: EntryHandle) -> Int? {
        let index = Int(handle.index)
        guard index < places.count, places[index].generation == handle.generation else { return nil }
        return index
    }

    func handle(at index: UInt32) -> EntryHandle {
        EntryHandle(index: index, generation: places[Int(index)].generation)
    }

    /// For an index that ``resolve(_:)`` or one of the pool's own tables gave; its place is taken.
    subscript(at index: Int) -> PoolEntry {
        _read { yield places[index].entry! }
        _modify { yield &places[index].entry! }
    }

    mutating func takePlace() -> UInt32 {
        if let free = freePlaces.popLast() { return free }
        places.append(Place())
        return UInt32(places.count - 1)
    }

    /// Frees the place and takes the entry out of every table.
    mutating func removeEntry(_ index: Int, now: MonotonicInstant) {
        let entry = self[at: index]
        let place = UInt32(index)
        candidates.remove(place, root: &modelTable[root: entry.modelIndex])
        modelTable.release(entry.modelIndex)
        deadlines.remove(place)
        if placesByProvider[entry.profile.providerID] == place {
            placesByProvider[entry.profile.providerID] = nil
        }
        if placesBySession[entry.sessionID] == place { placesBySession[entry.sessionID] = nil }
        counts[entry.state] -= 1
        if entry.isConnected { counts[connected: entry.tier] -= 1 }
        counts.activeRequests -= entry.activeRequests
        retireQuota(of: entry, now: now)
        places[index].entry = nil
        places[index].generation &+= 1
        freePlaces.append(place)
    }

    private mutating func retireQuota(of entry: PoolEntry, now: MonotonicInstant) {
        guard entry.tier == .provisional, entry.quota.used > 0, entry.quota.windowEnd > now else { return }
        retiredQuotas[entry.profile.providerID] = entry.quota
        // At most one per provisional id that is known, whose number the admission rate bounds.
        guard retiredQuotas.count > retiredQuotaLimit else { return }
        retiredQuotas = retiredQuotas.filter { $0.value.windowEnd > now }
        retiredQuotaLimit = max(1024, retiredQuotas.count * 2)
    }

    // MARK: Keeping the tables true

    /// After anything that the router compares, except the context window and the model.
    @inline(__always) mutating func refreshCandidate(_ index: Int) {
        candidates.update(UInt32(index), self[at: index].candidateKey)
    }

    /// Moves the entry's timer forward if something is due earlier. A timer that has become too early stays: it fires,
    /// finds nothing to do and is set again, which is cheaper than moving it with every message.
    mutating func advanceDeadline(_ index: Int) {
        guard let deadline = self[at: index].deadline(settings) else {
            deadlines.remove(UInt32(index))
            return
        }
        if let planned = deadlines.deadline(of: UInt32(index)), planned <= deadline { return }
        deadlines.set(UInt32(index), deadline)
    }

    /// Runs one event through the entry's state machine and everything that follows from it.
    mutating func transition(
        _ index: Int, cause: StateChangeCause, now: MonotonicInstant, into actions: inout [PoolAction],
        _ event: (inout ProviderStateMachine) -> ProviderStateMachine.Action
    ) {
        let before = self[at: index].machine
        let action = event(&self[at: index].machine)
        let after = self[at: index].machine
        let handle = handle(at: UInt32(index))
        if after != before {
            counts[before.providerState] -= 1
            counts[after.providerState] += 1
            if before.providerState != after.providerState {
                actions.append(
                    .stateChanged(handle, from: before.providerState, to: after.providerState, cause: cause))
            }
            refreshCandidate(index)
            advanceDeadline(index)
        }
        switch action {
        case .none: break
        case .probe: actions.append(.probe(handle))
        case .sendWarmUp: actions.append(.sendWarmUp(handle))
        case .closeDrained: actions.append(.close(handle, .drainComplete))
        case .closeDrainOverdue: actions.append(.close(handle, .drainOverdue))
        case .remove: removeAndReport(index, now: now, into: &actions)
        }
    }

    mutating func removeAndReport(_ index: Int, now: MonotonicInstant, into actions: inout [PoolAction]) {
        let entry = self[at: index]
        removeEntry(index, now: now)
        actions.append(
            .removed(entry.handle, sessionID: entry.sessionID, providerID: entry.profile.providerID))
    }
}

extension PoolEntry {
    fileprivate var offersModel: Bool {
        switch state {
        case .ready, .busy, .degraded: true
        case .draining, .unavailable: false
        }
    }
}
