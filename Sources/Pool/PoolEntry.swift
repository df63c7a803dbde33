package import Primitives

/// One provider in the pool: what it said, what the coordinator knows of it, and what it may do.
package struct PoolEntry: Sendable {
    package let handle: EntryHandle
    /// The `assigned_id`.
    package let sessionID: UniqueID
    package internal(set) var profile: ProviderProfile
    package internal(set) var tier: ProviderTier
    /// Where requests are forwarded to, from the configuration; nil for those behind a WebSocket.
    package internal(set) var endpointURL: String?
    package internal(set) var inferencePath: InferencePath
    package let connectedAt: MonotonicInstant
    package let connectedWallTime: WallTime
    package internal(set) var lastActivity = ReportedActivity()
    package internal(set) var counters = RequestCounters()
    /// True while the owner holds dispatch back (a rekey).
    package internal(set) var isDispatchSuspended = false

    var machine = ProviderStateMachine()
    var slots: SlotCount
    var liveness: Liveness
    var quota: RequestQuota
    var modelIndex: UInt32
    let sequence: UInt64
    /// Copied from the settings when the tier is set: the limit and the weight of a provisional provider.
    var quotaLimit: Int
    var weight: Double

    package var state: ProviderState { machine.providerState }
    package var isConnected: Bool { machine.isConnected }
    /// In-flight requests, counted at dispatch.
    package var activeRequests: Int { slots.active }
    /// By the formula of ``SlotCount``.
    package var freeSlots: Int { slots.free }
    package var reportedSlotsFree: Int { slots.reportedFree }
    package var reportedSlotsTotal: Int { slots.reportedTotal }
    package var lastHeardAt: MonotonicInstant { liveness.lastHeard }
    package var lastHeartbeatAt: MonotonicInstant { liveness.lastHeartbeat }
    package var weightedThroughput: Double { profile.throughputTPSEstimate * weight }
    /// Whether the next request could go here.
    package var isRoutable: Bool { eligibility == .eligible }

    var isOverQuota: Bool { tier == .provisional && quota.used >= quotaLimit }

    var eligibility: CandidateTree.Eligibility {
        guard state == .ready, slots.free > 0, !isDispatchSuspended, inferencePath != .httpForwardingOnly else {
            return .ineligible
        }
        return isOverQuota ? .overQuota : .eligible
    }

    var candidateKey: CandidateTree.Key {
        CandidateTree.Key(
            maxContextTokens: profile.maxContextTokens, weightedThroughput: weightedThroughput,
            modelParamsB: profile.modelParamsB, freeSlots: slots.free, eligibility: eligibility,
            quotaReset: quota.windowEnd, sequence: sequence)
    }

    func deadline(_ settings: PoolSettings) -> MonotonicInstant? {
        var earliest = machine.deadline ?? .distantFuture
        if let liveness = liveness.deadline(settings) { earliest = min(earliest, liveness) }
        if isOverQuota { earliest = min(earliest, quota.windowEnd) }
        return earliest == .distantFuture ? nil : earliest
    }
}

/// Requests of one session, since it began.
package struct RequestCounters: Sendable, Equatable {
    package var dispatched = 0
    package var completed = 0
    package var failed = 0
    package var timedOut = 0
    package var refused = 0
    package var cancelled = 0

    mutating func count(_ outcome: RequestOutcome) {
        switch outcome {
        case .completed: completed &+= 1
        case .failed: failed &+= 1
        case .timedOut: timedOut &+= 1
        case .refused: refused &+= 1
        case .cancelled: cancelled &+= 1
        case .withdrawn: dispatched &-= 1
        }
    }
}

/// Entries of the pool by state and tier, and requests in flight; kept up to date, never counted.
package struct PoolCounts: Sendable, Equatable {
    package var ready = 0
    package var busy = 0
    package var degraded = 0
    package var draining = 0
    package var unavailable = 0
    /// Entries whose session lives, by tier.
    package var connectedPinned = 0
    package var connectedProvisional = 0
    package var activeRequests = 0

    package var total: Int { ready + busy + degraded + draining + unavailable }
    package var connected: Int { connectedPinned + connectedProvisional }

    package subscript(state: ProviderState) -> Int {
        get {
            switch state {
            case .ready: ready
            case .busy: busy
            case .degraded: degraded
            case .draining: draining
            case .unavailable: unavailable
            }
        }
        set {
            switch state {
            case .ready: ready = newValue
            case .busy: busy = newValue
            case .degraded: degraded = newValue
            case .draining: draining = newValue
            case .unavailable: unavailable = newValue
            }
        }
    }

    subscript(connected tier: ProviderTier) -> Int {
        get { tier == .pinned ? connectedPinned : connectedProvisional }
        set { if tier == .pinned { connectedPinned = newValue } else { connectedProvisional = newValue } }
    }
}

/// One model as buyers see it: the providers that are connected and neither draining nor unavailable.
package struct ModelSummary: Sendable, Equatable {
    /// As first announced.
    package var name: String
    package var providerCount: Int
    package var maxContextTokens: Int
    package var totalSlots: Int
    package var freeSlots: Int
}
