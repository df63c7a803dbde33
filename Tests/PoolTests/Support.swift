import Primitives

@testable import Pool

extension ProviderProfile {
    static func sample(
        _ id: String, model: String = "Qwen/A", context: Int = 50_000, slots: Int = 2, throughput: Double = 20,
        params: Double = 7, endpoint: String? = nil
    ) -> ProviderProfile {
        ProviderProfile(
            providerID: id, hostname: "host", modelID: model, modelParamsB: params, ramGB: 16,
            maxContextTokens: context, maxConcurrency: slots, throughputTPSEstimate: throughput,
            binaryVersion: "1.2.0", endpointURL: endpoint)
    }
}

func at(_ seconds: Double) -> MonotonicInstant { MonotonicInstant(nanoseconds: Int64(seconds * 1e9)) }

/// A pool whose ids named `p…` are pinned, with shorthands for what tests do all the time.
struct Fixture: ~Copyable {
    var pool: ProviderPool
    var now = MonotonicInstant.zero
    var lastSession: UInt64 = 0

    init(pinned: [String] = ["p1", "p2", "p3", "p4"], _ change: (inout PoolSettings) -> Void = { _ in }) {
        var settings = PoolSettings()
        for id in pinned { settings.admission.pinned[id] = PinnedProvider() }
        settings.pingInterval = nil
        change(&settings)
        pool = ProviderPool(settings: settings)
    }

    mutating func tryAdmit(_ profile: ProviderProfile) -> Result<Admission, AdmissionRefusal> {
        lastSession += 1
        return pool.admit(
            profile, sessionID: UniqueID(high: 0, low: lastSession), now: now,
            wallTime: WallTime(nanoseconds: now.nanoseconds))
    }

    mutating func admit(_ profile: ProviderProfile) throws -> EntryHandle { try tryAdmit(profile).get().handle }

    func route(
        _ model: String = "qwen/a", tokens: Int = 100, target: RouteTarget = .any,
        preference: RoutePreference? = nil, excluding: [EntryHandle] = []
    ) -> Result<EntryHandle, RouteFailure> {
        withByteView(model) { model in
            pool.route(
                RouteQuery(
                    model: model, estimatedTokens: tokens, target: target, preference: preference,
                    excluding: excluding),
                now: now)
        }
    }

    func route(provider: String, model: String = "qwen/a", tokens: Int = 100) -> Result<EntryHandle, RouteFailure> {
        withByteView(provider) { route(model, tokens: tokens, target: .provider($0)) }
    }

    mutating func heartbeat(
        _ handle: EntryHandle, _ status: ProviderState = .ready, free: Int = 2, total: Int = 2,
        model: String = "Qwen/A", context: Int = 50_000, concurrency: Int = 2, throughput: Double = 20,
        params: Double = 7
    ) -> [PoolAction] {
        withByteView(model) { model in
            pool.heartbeatReceived(
                handle,
                HeartbeatReport(
                    status: status, modelID: model, modelParamsB: params, ramGB: 16, maxContextTokens: context,
                    maxConcurrency: concurrency, slotsFree: free, slotsTotal: total,
                    throughputTPSEstimate: throughput),
                now: now)
        }
    }

    mutating func update(_ handle: EntryHandle, _ state: ProviderState, free: Int? = nil) -> [PoolAction] {
        pool.stateUpdated(handle, to: state, slotsFree: free, slotsTotal: nil, now: now)
    }

    /// Moves the clock, stopping at every deadline on the way as the driver would.
    mutating func advance(to target: MonotonicInstant) -> [PoolAction] {
        var actions: [PoolAction] = []
        while let deadline = pool.nextDeadline, deadline <= target {
            now = max(now, deadline)
            actions += pool.deadlineReached(now: now)
        }
        now = target
        return actions + pool.deadlineReached(now: now)
    }
}
