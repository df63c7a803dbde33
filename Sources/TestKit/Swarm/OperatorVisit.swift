import Coordinator
import Environment
import Primitives

/// Questions of an operator, one behind the other, on a connection of their own.
final class OperatorVisit: ConnectionHandler {
    private unowned let swarm: Swarm
    private let path: String
    private let statuses: [Int]
    private var request: [UInt8]
    private var questionsLeft: Int
    private var reader = AnswerReader()
    private var writeHalf = WriteHalf.none
    private weak var near: SimulatedConnection?
    private var status = 0
    private var body = ByteQueue()
    private var waitsSince: MonotonicInstant
    /// What the storage had lost when the question was asked.
    private let droppedBefore: UInt64

    init(swarm: Swarm, method: String, path: String, body: String, statuses: [Int], count: Int = 1) {
        self.swarm = swarm
        self.path = path
        self.statuses = statuses
        questionsLeft = count
        waitsSince = swarm.now
        droppedBefore = swarm.store?.health.droppedCount ?? 0
        var request = ""
        for number in 1...count {
            request += "\(method) \(path) HTTP/1.1\r\nHost: a\r\n"
            if number == count { request += "Connection: close\r\n" }
            request += "Authorization: Bearer operator-key\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        }
        self.request = Array(request.utf8)
        let pair = swarm.environment.connect(to: swarm.coordinator.providerAcceptor, from: "127.0.0.1") {
            connection, writeHalf in
            self.writeHalf = writeHalf
            connection.handler = self
        }
        near = pair.near
        pair.near.requestFlush()
    }

    func received(_ bytes: MutableByteView) {
        reader.append(bytes.readOnly)
        while let event = reader.next() {
            switch event {
            case .head(let head):
                status = head.status
                if head.closes { questionsLeft = min(questionsLeft, 1) }
                let isExpected = statuses.contains(head.status) || (swarm.isDraining && head.status == 503)
                let mayBeFull = swarm.plan.has(.tightLimits) && head.status == 503
                if !isExpected && !mayBeFull { swarm.fail("\(path) was answered with \(head.status)") }
            case .body(let piece): body.append(piece)
            case .end: answered()
            }
        }
        if let violation = reader.violation { swarm.fail("\(path) got a broken answer: \(violation)") }
    }

    private func answered() {
        let limit = swarm.settings.storage.answerTimeout + .seconds(1)
        if swarm.now - waitsSince > limit { swarm.fail("\(path) waited \((swarm.now - waitsSince).inSeconds) s") }
        waitsSince = swarm.now
        if status == 200, let store = swarm.store { check(store, limit) }
        body.truncate(to: 0)
        questionsLeft -= 1
        if questionsLeft == 0 { near?.close() }
    }

    private func check(_ store: SwarmStore, _ limit: Duration) {
        switch path {
        case "/admin/provisional": store.checkListing(body.view, limit: limit)
        case "/healthz":
            if !Self.holds(body.view, "\"storage\":\"") { swarm.fail("/healthz says nothing of the storage") }
        case "/metrics":
            // A coordinator that has gone had a count of its own.
            guard !swarm.isDraining else { return }
            let mark: StaticString = "\ntrunkline_storage_dropped_total "
            let place = Self.place(of: mark, in: body.view)
            let shown = SwarmText.number(in: body.view, at: place + mark.utf8CodeUnitCount).value ?? -1
            if shown < Int(droppedBefore) || shown > Int(store.health.droppedCount) {
                swarm.fail("\(shown) dropped rows shown, there were \(store.health.droppedCount)")
            }
        default: break
        }
    }

    private static func holds(_ text: ByteView, _ mark: StaticString) -> Bool { place(of: mark, in: text) < text.count }

    private static func place(of mark: StaticString, in text: ByteView) -> Int {
        var place = 0
        while place < text.count, !text.dropFirst(place).hasPrefix(mark) { place += 1 }
        return place
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
        if questionsLeft > 0, !swarm.isDraining { swarm.fail("\(path) was not answered") }
    }
}
