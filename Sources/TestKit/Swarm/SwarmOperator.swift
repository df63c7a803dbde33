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
            call("GET", paths[Int.random(in: 0..<paths.count, using: &random)], body: "", [200])
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

    private func call(_ method: String, _ path: String, body: String, _ statuses: [Int]) {
        let request =
            "\(method) \(path) HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer operator-key\r\n"
            + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        visit = OperatorVisit(swarm: swarm, request: request, path: path, statuses: statuses)
    }
}

/// One question of an operator, on a connection of its own.
final class OperatorVisit: ConnectionHandler {
    private unowned let swarm: Swarm
    private let path: String
    private let statuses: [Int]
    private var request: [UInt8]
    private var reader = AnswerReader()
    private var writeHalf = WriteHalf.none
    private var isAnswered = false

    init(swarm: Swarm, request: String, path: String, statuses: [Int]) {
        self.swarm = swarm
        self.path = path
        self.statuses = statuses
        self.request = Array(request.utf8)
        let pair = swarm.environment.connect(to: swarm.coordinator.providerAcceptor, from: "127.0.0.1") {
            connection, writeHalf in
            self.writeHalf = writeHalf
            connection.handler = self
        }
        near = pair.near
        pair.near.requestFlush()
    }

    private weak var near: SimulatedConnection?

    func received(_ bytes: MutableByteView) {
        reader.append(bytes.readOnly)
        while let event = reader.next() {
            switch event {
            case .head(let head):
                let isExpected = statuses.contains(head.status) || (swarm.isDraining && head.status == 503)
                let mayBeFull = swarm.plan.has(.tightLimits) && head.status == 503
                if !isExpected && !mayBeFull { swarm.fail("\(path) was answered with \(head.status)") }
            case .body: break
            case .end:
                isAnswered = true
                near?.close()
            }
        }
        if let violation = reader.violation { swarm.fail("\(path) got a broken answer: \(violation)") }
    }

    func peerFinished() { near?.close() }

    func flush() {
        guard !request.isEmpty else { return }
        _ = withByteView(request) { writeHalf.write($0) }
        request = []
    }

    func writeCompleted() {}
    func deadlineReached() {}

    func closed(_ end: ConnectionEnd) {
        if !isAnswered, !swarm.isDraining { swarm.fail("\(path) was not answered") }
    }
}
