import Coordinator
import Environment
import Primitives

/// Whoever runs the coordinator: looks at it, sends providers away, and ends it at the worst moment.
final class SwarmOperator: SimulatedActor {
    unowned let swarm: Swarm
    private var random: SeededRandom
    private var visit: OperatorVisit?
    private var timer: TimerID?

    init(swarm: Swarm) {
        self.swarm = swarm
        random = swarm.plan.random(for: 3_000)
    }

    private static let deeds: [Fault] = [.operatorPolls, .blacklist, .promote, .reject, .drain, .wallClockJump]

    func begin() {
        guard Self.deeds.contains(where: swarm.plan.has) else { return }
        schedule()
    }

    private func schedule() {
        let span = Int(swarm.plan.duration.inMilliseconds)
        let delay = Duration.milliseconds(Int.random(in: 0...max(1, span / 2), using: &random))
        timer = swarm.environment.schedule(self, at: swarm.now + delay)
    }

    func stop() {
        if let timer { swarm.environment.cancel(timer) }
    }

    func act() {
        guard !swarm.isResting else { return }
        let deeds = Self.deeds.filter(swarm.plan.has)
        let deed = deeds[Int.random(in: 0..<deeds.count, using: &random)]
        let provider = swarm.providers[Int.random(in: 0..<swarm.providers.count, using: &random)]
        switch deed {
        case .wallClockJump:
            swarm.struck(deed)
            swarm.environment.wallTimeAtStart =
                swarm.environment.wallTimeAtStart + .seconds(Int.random(in: -100_000...100_000, using: &random))
        case .drain:
            swarm.startDrain(limit: .seconds([0, 1, 5, 30][Int.random(in: 0..<4, using: &random)]))
        case .blacklist, .promote, .reject: order(deed, provider)
        default:
            swarm.struck(.operatorPolls)
            let paths = ["/healthz", "/poolz", "/metrics", "/admin/provisional", "/readyz"]
            let path = paths[Int.random(in: 0..<paths.count, using: &random)]
            if path == "/admin/provisional" { list() } else { call("GET", path, body: "", [200]) }
        }
        schedule()
    }

    private func order(_ deed: Fault, _ provider: SwarmProvider) {
        swarm.struck(deed)
        swarm.note(.operators, 0, "order", deed.rawValue, provider.index)
        switch deed {
        case .blacklist:
            provider.isTouched = true
            call("POST", "/admin/blacklist", body: "{\"provider_id\":\"\(provider.name)\"}", [200, 404])
        case .reject:
            provider.isTouched = true
            call("POST", "/admin/reject/\(provider.name)", body: "", [200])
        default: call("POST", "/admin/promote/\(provider.name)", body: "", [200, 404, 409])
        }
    }

    private func call(_ method: String, _ path: String, body: String, _ statuses: [Int], count: Int = 1) {
        guard !swarm.isDown else { return }
        visit = OperatorVisit(
            swarm: swarm, method: method, path: path, body: body, statuses: statuses, count: count)
    }

    /// Asks for what only the storage knows, some times in a row.
    private func list() {
        let faults: [Fault] = [.storeSlow, .storeFails, .storeSilent, .storeUnreadable]
        let mayFail = swarm.store != nil && faults.contains(where: swarm.plan.has)
        call(
            "GET", "/admin/provisional", body: "", mayFail ? [200, 503] : [200],
            count: mayFail ? Int.random(in: 1...4, using: &random) : 1)
    }
}
