import Coordinator
import Environment
import Primitives

/// A buyer of a swarm: asks, compares every byte of what comes with what a provider said, and sometimes leaves.
final class SwarmBuyer: ConnectionHandler, SimulatedActor {
    /// What an answer is awaited for.
    enum Question {
        case request(SwarmRequest, isHTTP10: Bool)
        /// Something that cannot be answered well.
        case garbage
        case models
    }

    let index: Int
    /// Unchecked, since it is asked for all the time: the swarm has its actors, and they act only while it runs.
    unowned(unsafe) let swarm: Swarm
    var random: SeededRandom
    private(set) var connection: SimulatedConnection?
    private var farEnd: SimulatedConnection?
    private var writeHalf = WriteHalf.none
    var waiting = ByteQueue()
    private var isInFlight = false
    private var reader = AnswerReader()
    private var check = AnswerCheck()
    private var timer: (id: TimerID, at: MonotonicInstant)?

    /// Asked and not answered, in order.
    private(set) var questions: [Question] = []
    private(set) var questionsLeft: Int
    /// Parts of a request that are still to be sent.
    private var parts: [[UInt8]] = []
    private var leavesAt: MonotonicInstant?
    private var idleSince = MonotonicInstant.zero
    /// The coordinator may end this connection, or be slow with it, for what the buyer or the network does.
    private(set) var isExcused = false
    private var answerCloses = false
    private var isHalfClosed = false

    init(index: Int, swarm: Swarm) {
        self.index = index
        self.swarm = swarm
        random = swarm.plan.random(for: 2_000 + UInt64(index))
        questionsLeft = swarm.plan.requestsPerBuyer
    }

    var now: MonotonicInstant { swarm.now }

    func strikes(_ fault: Fault, _ share: Double? = nil) -> Bool {
        swarm.plan.has(fault) && !swarm.isResting && random.chance(share ?? swarm.plan.intensity)
    }

    func misbehaves(_ fault: Fault, isExcused: Bool = true) {
        if isExcused { self.isExcused = true }
        swarm.struck(fault)
        swarm.note(.buyer, index, "fault", fault.rawValue)
    }

    /// Nothing is awaited and nothing will be asked.
    var isDone: Bool { connection == nil && (questionsLeft == 0 || swarm.isResting) }

    // MARK: Time

    func wake(after delay: Duration) {
        let time = now + delay
        if let timer {
            if timer.at <= time { return }
            swarm.environment.cancel(timer.id)
        }
        timer = (swarm.environment.schedule(self, at: time), time)
    }

    func act() {
        timer = nil
        guard let connection else {
            guard questionsLeft > 0, !swarm.isResting else { return }
            return swarm.isDown ? wake(after: .seconds(1)) : connect()
        }
        if let leavesAt, leavesAt <= now { return leave(connection) }
        if !parts.isEmpty { return sendPart() }
        if questions.isEmpty {
            guard questionsLeft > 0, !swarm.isResting, !isHalfClosed, !answerCloses else { return connection.close() }
            ask()
        }
        if let leavesAt { wake(after: leavesAt - now) }
    }

    func worldRests() {
        if let farEnd {
            farEnd.outgoing.isStalled = false
            farEnd.scheduleDelivery()
        }
        guard questions.isEmpty || !parts.isEmpty else { return }
        isExcused = true
        connection?.close()
    }

    func forget() {
        writeHalf = .none
        connection = nil
        farEnd = nil
        questions = []
    }

    // MARK: Connection

    private func connect() {
        reader = AnswerReader()
        waiting.removeAll()
        isInFlight = false
        questions = []
        parts = []
        leavesAt = nil
        isExcused = false
        answerCloses = false
        isHalfClosed = false
        let pair = swarm.environment.connect(to: swarm.coordinator.buyerAcceptor, from: "203.0.113.9") {
            connection, writeHalf in
            self.writeHalf = writeHalf
            connection.handler = self
        }
        connection = pair.near
        farEnd = pair.far
        shape(pair.near)
        shape(pair.far)
        swarm.note(.buyer, index, "connects")
        wake(after: .milliseconds(Int.random(in: 0...20, using: &random)))
    }

    private func shape(_ end: SimulatedConnection) {
        end.outgoing.latency = .microseconds(Int.random(in: 20...2_000, using: &random))
        if swarm.plan.has(.jitter), random.chance(0.5) {
            end.outgoing.jitter = .milliseconds(Int.random(in: 1...20, using: &random))
        }
        if swarm.plan.has(.splitPieces), random.chance(0.5) {
            end.outgoing.cutsAtRandom = true
            end.outgoing.largestPiece = [40, 400, 4_000][Int.random(in: 0..<3, using: &random)]
        }
        if swarm.plan.has(.smallBuffers), random.chance(0.5) {
            end.outgoing.capacity = [256, 1_000, 16_000][Int.random(in: 0..<3, using: &random)]
        }
    }

    // MARK: Asking

    private func ask() {
        idleSince = now
        if strikes(.buyerGarbage) { return sendGarbage() }
        if strikes(.buyerOversize) { return sendOversize() }
        let count = strikes(.buyerPipelines, 0.5) ? Int.random(in: 2...4, using: &random) : 1
        if count > 1 { misbehaves(.buyerPipelines, isExcused: false) }
        for _ in 0..<count where questionsLeft > 0 {
            questionsLeft -= 1
            if random.chance(0.1) { askForModels() } else { askForCompletion() }
            // What follows must not overtake the rest.
            if !parts.isEmpty { break }
        }
        if case .request(let request, _)? = questions.first { request.progressAt = now }
        planFaults()
        connection?.requestFlush()
    }

    private func askForModels() {
        waiting.append("GET /v1/models HTTP/1.1\r\nHost: trunkline.test\r\n\r\n")
        questions.append(.models)
    }

    private func askForCompletion() {
        let model = Int.random(in: 0..<swarm.plan.modelCount, using: &random)
        let isLarge = swarm.plan.hasLargeRequests && random.chance(0.3)
        let filler = Int.random(in: 0...(isLarge ? 300_000 : swarm.plan.largestFiller), using: &random)
        let request = swarm.makeRequest(model: model, stream: random.chance(0.7), filler: filler)
        let isHTTP10 = strikes(.buyerOldVersion, 0.3)
        if isHTTP10 { misbehaves(.buyerOldVersion, isExcused: false) }
        swarm.note(.buyer, index, "asks", request.number, request.stream ? 1 : 0)
        questions.append(.request(request, isHTTP10: isHTTP10))
        var text = ByteQueue()
        text.append(isHTTP10 ? "POST /v1/chat/completions HTTP/1.0\r\n" : "POST /v1/chat/completions HTTP/1.1\r\n")
        text.append("Host: trunkline.test\r\nContent-Type: application/json\r\nContent-Length: ")
        text.append(decimal: request.body.count)
        text.append("\r\n\r\n")
        text.append(request.body)
        guard questions.count == 1, strikes(.buyerTrickles, 0.3) else { return waiting.append(text.view) }
        misbehaves(.buyerTrickles, isExcused: false)
        let bytes = text.view.array
        let cut = Int.random(in: 1..<bytes.count, using: &random)
        let second = Int.random(in: cut..<bytes.count, using: &random)
        parts = [bytes[..<cut], bytes[cut..<second], bytes[second...]].map(Array.init)
        sendPart()
    }

    private func sendPart() {
        waiting.append(parts.removeFirst())
        connection?.requestFlush()
        if case .request(let request, _)? = questions.first { request.progressAt = now }
        if !parts.isEmpty { wake(after: .milliseconds(Int.random(in: 1...1_500, using: &random))) }
    }

    private func sendGarbage() {
        misbehaves(.buyerGarbage)
        questionsLeft -= 1
        questions.append(.garbage)
        let texts: [StaticString] = [
            "\r\n\r\n\r\nGET\r\n\r\n", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/2.0\r\n\r\n",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[]",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{\"model\":",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
            "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "DELETE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
            "\u{16}\u{3}\u{1}", "GET /v1/models HTTP/1.1\r\nHost: a\r\n", "G",
        ]
        waiting.append(texts[Int.random(in: 0..<texts.count, using: &random)])
        connection?.requestFlush()
        leavesAt = now + .seconds(20)
        wake(after: .seconds(20))
    }

    private func sendOversize() {
        misbehaves(.buyerOversize)
        questionsLeft -= 1
        questions.append(.garbage)
        waiting.append("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n{\"model\":")
        connection?.requestFlush()
        leavesAt = now + .seconds(20)
        wake(after: .seconds(20))
    }

    private func planFaults() {
        if strikes(.buyerLeaves) || strikes(.buyerResets) || strikes(.buyerVanishes) || strikes(.buyerHalfCloses) {
            let most = [10, 300, 3_000][Int.random(in: 0..<3, using: &random)]
            leavesAt = now + .milliseconds(Int.random(in: 0...most, using: &random))
            wake(after: leavesAt.map { $0 - now } ?? .zero)
        }
        if strikes(.buyerStalls), let farEnd {
            misbehaves(.buyerStalls)
            for case .request(let request, _) in questions { request.isUnread = true }
            farEnd.outgoing.isStalled = true
            if random.chance(0.5) { farEnd.outgoing.capacity = 1_000 }
            let seconds = [1, 10, 100][Int.random(in: 0..<3, using: &random)]
            _ = swarm.environment.soon(
                after: .seconds(seconds),
                .action {
                    farEnd.outgoing.isStalled = false
                    farEnd.scheduleDelivery()
                })
        }
    }

    private func leave(_ connection: SimulatedConnection) {
        leavesAt = nil
        let ways = [Fault.buyerLeaves, .buyerResets, .buyerVanishes, .buyerHalfCloses].filter(swarm.plan.has)
        let way = ways.isEmpty ? .buyerLeaves : ways[Int.random(in: 0..<ways.count, using: &random)]
        // A connection that the network holds up tells the coordinator late, or never.
        let isSeen = way != .buyerVanishes && !isExcused && parts.isEmpty
        misbehaves(way)
        for case .request(let request, _) in questions {
            request.isOver = true
            if isSeen { request.leftAt = now }
        }
        switch way {
        case .buyerResets: connection.reset()
        case .buyerVanishes: connection.vanish()
        case .buyerHalfCloses:
            isHalfClosed = true
            connection.finishWriting()
        default: connection.close()
        }
    }

    // MARK: Answers

    func received(_ bytes: MutableByteView) {
        reader.append(bytes.readOnly)
        while let event = reader.next() { eventCame(event) }
        if let violation = reader.violation { swarm.fail("b\(index) got a broken answer: \(violation)") }
    }

    private func eventCame(_ event: AnswerReader.Event) {
        switch event {
        case .head(let head):
            guard let question = questions.first else {
                guard head.closes, head.status == 408 else {
                    return swarm.fail("b\(index) got an answer that it did not ask for: \(head.status)")
                }
                return
            }
            swarm.note(.buyer, index, "gets status", head.status)
            swarm.answered(head.status)
            answerCloses = head.closes
            check.begin(question, head, in: swarm)
        case .body(let piece): check.took(piece, in: swarm)
        case .end: answerEnded()
        }
    }

    private func answerEnded() {
        guard !questions.isEmpty else { return }
        check.ended(in: swarm)
        let question = questions.removeFirst()
        if case .request(let request, _) = question { conclude(request) }
        if case .request(let next, _)? = questions.first { next.progressAt = now }
        idleSince = now
        if answerCloses { isExcused = true }
        guard questions.isEmpty else { return }
        if answerCloses || isHalfClosed {
            wake(after: .milliseconds(500))
        } else {
            leavesAt = nil
            let most = [5, 500, 20_000][Int.random(in: 0..<3, using: &random)]
            if swarm.isResting {
                wake(after: .zero)
            } else {
                wake(after: .milliseconds(Int.random(in: 0...most, using: &random)))
            }
        }
    }

    private func conclude(_ request: SwarmRequest) {
        request.isOver = true
        swarm.note(.buyer, index, "has its answer", request.number)
        guard !isExcused else { return }
        swarm.checkDeadline(of: request)
    }

    /// Looks whether something that was sent long ago has not come.
    func audit() {
        guard connection != nil, !isExcused, parts.isEmpty, case .request(let request, _)? = questions.first,
            request.stream, !request.isOver, let attempt = request.attempts.last, !attempt.isLost,
            attempt.cancelledAt == nil, attempt.contiguousCount > check.chunkCount, !swarm.plan.has(.providerBlackHole),
            !swarm.plan.has(.sleep), now - request.progressAt > swarm.longestWay
        else { return }
        swarm.fail(
            "request \(request.number) got \(check.chunkCount) chunks, \(attempt.contiguousCount) were sent long ago")
    }

    // MARK: Ends

    func peerFinished() {
        if reader.endsWithConnection { answerEnded() }
        connection?.close()
    }

    func flush() {
        while !isInFlight, !waiting.isEmpty {
            let batch = waiting.view.prefix(WriteHalf.batchByteCount)
            switch writeHalf.write(batch) {
            case .written: waiting.consume(batch.count)
            case .inFlight:
                waiting.consume(batch.count)
                isInFlight = true
            case .closed: waiting.removeAll()
            }
        }
    }

    func writeCompleted() {
        isInFlight = false
        flush()
    }

    func deadlineReached() {}

    func closed(_ end: ConnectionEnd) {
        swarm.note(.buyer, index, "is gone")
        connection = nil
        farEnd = nil
        // The answer that was cut takes those behind it along.
        var isFirst = true
        for case .request(let request, _) in questions {
            if isFirst, !isExcused, !request.isOver { swarm.checkCut(of: request) }
            isFirst = false
            request.isOver = true
        }
        questions = []
        parts = []
        leavesAt = nil
        if questionsLeft > 0, !swarm.isResting {
            wake(after: .milliseconds(Int.random(in: 0...3_000, using: &random)))
        }
    }
}
