import Primitives
import Testing

@testable import Pool

/// The index against a list that is filtered and sorted for every request.
@Suite struct RouterModelTests {
    /// What the list knows of one provider, kept by its own simple rules.
    struct Mirror {
        var handle: EntryHandle
        var session: UniqueID
        var id: String
        var model: String
        var context: Int
        var throughput: Double
        var params: Double
        var isProvisional: Bool
        var state = ProviderState.ready
        var maximum: Int
        var active = 0
        var foreign = 0
        var quotaUsed = 0
        var quotaEnd = MonotonicInstant.distantFuture
        var order: Int
        var isConnected = true

        var weighted: Double { throughput * (isProvisional ? 0.3 : 1) }
        var free: Int { max(0, maximum - active - foreign) }
    }

    struct World: ~Copyable {
        var fixture: Fixture
        var random: SeededRandom
        var mirrors: [Mirror] = []
        var running: [EntryHandle] = []
        var quotas: [String: (used: Int, end: MonotonicInstant)] = [:]
        var admissions = 0
        /// How often each answer came, by its name: a run in which one is missing proves little.
        var answers: [String: Int] = [:]
        static let quota = 5
        let ids: Int
        let models: Int

        init(seed: UInt64, ids: Int, models: Int) {
            self.ids = ids
            self.models = models
            random = SeededRandom(seed: seed)
            fixture = Fixture(pinned: (0..<ids).filter { $0 % 3 != 0 }.map { "p\($0)" }) {
                // Heartbeats are rare here, one in some hundred steps per provider.
                $0.heartbeatMissThreshold = .seconds(20 * ids)
                $0.wakeGapThreshold = .seconds(15 * ids)
                $0.admission.provisionalRatePerHour = .max
                $0.admission.maxProvisionalProviders = .max
                $0.admission.provisionalRequestQuotaPerHour = Self.quota
            }
        }

        mutating func pick<Value>(_ values: [Value]) -> Value {
            values[Int.random(in: 0..<values.count, using: &random)]
        }

        mutating func apply(_ actions: [PoolAction]) {
            for action in actions {
                switch action {
                case .stateChanged(let handle, let from, let to, _):
                    guard let index = mirrors.firstIndex(where: { $0.handle == handle }) else { continue }
                    #expect(mirrors[index].state == from)
                    mirrors[index].state = to
                case .removed(let handle, _, _):
                    mirrors.removeAll { $0.handle == handle }
                case .close(let handle, _):
                    apply(fixture.pool.disconnected(handle, now: fixture.now))
                    gone(handle)
                case .probe, .sendWarmUp, .sendPing, .heartbeatLate:
                    break
                }
            }
        }

        mutating func gone(_ handle: EntryHandle) {
            running.removeAll { $0 == handle }
            guard let index = mirrors.firstIndex(where: { $0.handle == handle }) else { return }
            mirrors[index].isConnected = false
            mirrors[index].active = 0
        }

        mutating func connect() throws {
            let number = Int.random(in: 0..<ids, using: &random)
            let profile = ProviderProfile.sample(
                "p\(number)", model: "Model/\(Int.random(in: 0..<models, using: &random))",
                context: pick([1000, 2000, 4000, 4001, 8000]), slots: Int.random(in: 1...4, using: &random),
                throughput: pick([10, 20, 30, 33.3, 100]), params: pick([7, 7, 14, 70]))
            let admission = try fixture.tryAdmit(profile).get()
            mirrors.removeAll { $0.id == profile.providerID }
            if let replaced = admission.replaced { running.removeAll { $0 == replaced.handle } }
            admissions += 1
            var mirror = Mirror(
                handle: admission.handle, session: UniqueID(high: 0, low: fixture.lastSession),
                id: profile.providerID, model: profile.modelID, context: profile.maxContextTokens,
                throughput: profile.throughputTPSEstimate, params: profile.modelParamsB,
                isProvisional: number % 3 == 0, maximum: profile.maxConcurrency, order: admissions)
            if mirror.isProvisional, let kept = quotas[mirror.id], kept.end > fixture.now {
                mirror.quotaUsed = kept.used
                mirror.quotaEnd = kept.end
            }
            mirrors.append(mirror)
        }

        mutating func step() throws {
            let choice = Int.random(in: 0..<100, using: &random)
            guard !mirrors.isEmpty, choice >= 4 else { return try connect() }
            let index = Int.random(in: 0..<mirrors.count, using: &random)
            let handle = mirrors[index].handle
            switch choice {
            case ..<5:
                let wasDraining = mirrors[index].state == .draining
                let wasConnected = mirrors[index].isConnected
                apply(fixture.pool.disconnected(handle, now: fixture.now))
                gone(handle)
                if wasDraining && wasConnected { #expect(fixture.pool[handle] == nil) }
            case ..<16: heartbeat(index)
            case ..<20:
                let state = pick([ProviderState.ready, .ready, .ready, .busy, .degraded, .draining, .unavailable])
                apply(fixture.update(handle, state))
            case ..<45: finish()
            case ..<50:
                apply(fixture.advance(to: fixture.now + .milliseconds(Int.random(in: 1...20_000, using: &random))))
                for index in mirrors.indices where mirrors[index].quotaEnd <= fixture.now {
                    mirrors[index].quotaUsed = 0
                    mirrors[index].quotaEnd = .distantFuture
                }
            default: try routeAndStart()
            }
        }

        mutating func heartbeat(_ index: Int) {
            guard mirrors[index].isConnected else { return }
            let mirror = mirrors[index]
            mirrors[index].throughput = pick([mirror.throughput, 10, 20, 30, 100])
            if random.chance(0.2) { mirrors[index].context = pick([1000, 2000, 4000, 4001, 8000]) }
            if random.chance(0.05) { mirrors[index].model = "mOdel/\(Int.random(in: 0..<models, using: &random))" }
            if random.chance(0.1) { mirrors[index].maximum = Int.random(in: 1...4, using: &random) }
            let maximum = mirrors[index].maximum
            mirrors[index].foreign = 0
            let foreign = random.chance(0.3) ? Int.random(in: 0...2, using: &random) : 0
            let free = max(0, maximum - mirrors[index].active - foreign)
            mirrors[index].foreign = max(0, maximum - mirrors[index].active - free)
            apply(
                fixture.heartbeat(
                    mirror.handle, pick([.ready, .ready, .ready, .busy]), free: free, total: maximum,
                    model: mirrors[index].model, context: mirrors[index].context, concurrency: maximum,
                    throughput: mirrors[index].throughput, params: mirror.params))
        }

        mutating func finish() {
            guard !running.isEmpty else { return }
            let position = Int.random(in: 0..<running.count, using: &random)
            let handle = running[position]
            running.swapAt(position, running.count - 1)
            running.removeLast()
            if let index = mirrors.firstIndex(where: { $0.handle == handle }) { mirrors[index].active -= 1 }
            let outcome = random.chance(0.03) ? RequestOutcome.failed : pick([.completed, .cancelled, .refused])
            apply(fixture.pool.requestFinished(handle, outcome: outcome, now: fixture.now))
        }

        /// The rules of docs/protocol.md 8, written down once more, slowly.
        func expected(
            _ model: String, _ tokens: Int, _ preference: RoutePreference, _ excluded: [EntryHandle]
        ) -> Result<EntryHandle, RouteFailure> {
            let able = mirrors.filter {
                $0.model.lowercased() == model.lowercased() && $0.isConnected && $0.state == .ready && $0.free > 0
                    && $0.context >= tokens && !excluded.contains($0.handle)
            }
            let best = able.filter { !$0.isProvisional || $0.quotaUsed < Self.quota }
                .min { precedes($0, $1, preference) }
            if let best { return .success(best.handle) }
            guard let end = able.map(\.quotaEnd).min() else { return .failure(.noProviderAvailable) }
            let seconds = Int((end - fixture.now).inSeconds.rounded(.up))
            return .failure(.quotaExceeded(retryAfterSeconds: min(max(seconds, 1), 120)))
        }

        func precedes(_ first: Mirror, _ second: Mirror, _ preference: RoutePreference) -> Bool {
            func key(_ mirror: Mirror) -> (Double, Double, Double) {
                let free = Double(mirror.free)
                return switch preference {
                case .pack: (free, -mirror.weighted, Double(mirror.order))
                case .fast: (-mirror.weighted, free, Double(mirror.order))
                case .accurate: (-mirror.params, free, Double(mirror.order))
                }
            }
            return key(first) < key(second)
        }

        mutating func routeAndStart() throws {
            let model = "MODEL/\(Int.random(in: 0..<models, using: &random))"
            guard withByteView(model, { fixture.pool.hasSeenModel($0) }) else { return }
            let tokens = pick([0, 500, 1000, 1001, 4000, 4001, 8000, 8001])
            let preference = pick(RoutePreference.allCases)
            var excluded: [EntryHandle] = []
            while true {
                let result = fixture.route(model, tokens: tokens, preference: preference, excluding: excluded)
                #expect(result == expected(model, tokens, preference, excluded))
                count(result, isRetry: !excluded.isEmpty)
                guard case .success(let handle) = result else { return }
                guard random.chance(0.3) else { return start(handle) }
                excluded.append(handle)
            }
        }

        mutating func count(_ result: Result<EntryHandle, RouteFailure>, isRetry: Bool) {
            switch result {
            case .success: answers[isRetry ? "next" : "first", default: 0] += 1
            case .failure(.quotaExceeded): answers["quota", default: 0] += 1
            case .failure: answers["none", default: 0] += 1
            }
        }

        mutating func start(_ handle: EntryHandle) {
            #expect(fixture.pool.requestStarted(handle, now: fixture.now) == true)
            running.append(handle)
            guard let index = mirrors.firstIndex(where: { $0.handle == handle }) else { return }
            mirrors[index].active += 1
            guard mirrors[index].isProvisional else { return }
            if mirrors[index].quotaUsed == 0 { mirrors[index].quotaEnd = fixture.now + .seconds(3600) }
            mirrors[index].quotaUsed += 1
            quotas[mirrors[index].id] = (mirrors[index].quotaUsed, mirrors[index].quotaEnd)
        }

        func checkCounts() {
            let counts = fixture.pool.counts
            #expect(counts.total == mirrors.count)
            #expect(counts.connected == mirrors.count { $0.isConnected })
            #expect(counts.activeRequests == running.count)
            for state in ProviderState.allCases {
                #expect(counts[state] == mirrors.count { $0.state == state })
            }
        }
    }

    @Test(arguments: [
        (seed: 1, ids: 12, models: 1, steps: 40_000), (seed: 2, ids: 40, models: 3, steps: 40_000),
        (seed: 3, ids: 200, models: 2, steps: 20_000),
    ])
    func sameChoiceAsTheList(_ run: (seed: Int, ids: Int, models: Int, steps: Int)) throws {
        var world = World(seed: UInt64(run.seed), ids: run.ids, models: run.models)
        for step in 0..<run.steps {
            try world.step()
            if step % 500 == 0 { world.checkCounts() }
        }
        world.checkCounts()
        for answer in ["first", "next", "quota", "none"] {
            #expect(world.answers[answer, default: 0] > run.steps / 500, "\(answer) of \(world.answers)")
        }
        #expect(world.mirrors.count > run.ids / 4)
    }
}
