import Coordinator
import Primitives

/// Where the HTTP client stands that reaches providers' endpoints, and the engines behind it: they answer, fail, hang,
/// break off or are late.
final class SwarmForwarder: RequestForwarder {
    private unowned let swarm: Swarm
    fileprivate var random: SeededRandom
    private var running: [UInt64: SwarmForward] = [:]
    private var lastNumber: UInt64 = 0

    init(swarm: Swarm) {
        self.swarm = swarm
        random = swarm.plan.random(for: 5_000)
    }

    var runningCount: Int { running.count }
    func runningCount(of provider: Int) -> Int { running.values.count { $0.attempt.provider == provider } }

    // MARK: RequestForwarder

    func forward(_ request: ForwardedRequest, reply: any ForwardReply) -> ForwardID {
        lastNumber += 1
        let id = ForwardID(number: lastNumber)
        guard let provider = swarm.providers.first(where: { $0.endpointURL == request.endpoint }) else {
            swarm.fail("a request is forwarded to \(request.endpoint)")
            return id
        }
        guard let number = SwarmText.requestNumber(in: request.body), number < swarm.requests.count else {
            swarm.fail("\(request.endpoint) got a request that nobody made")
            return id
        }
        let asked = swarm.requests[number]
        if !withByteView(asked.body, { $0 == request.body }) || asked.stream != request.isStreaming {
            swarm.fail("\(request.endpoint) got request \(number) with another body")
        }
        if runningCount(of: provider.index) >= provider.slots {
            swarm.fail("\(request.endpoint) has \(provider.slots) slots and got one request more")
        }
        let attempt = SwarmAttempt(
            request: asked, number: asked.attempts.count, provider: provider.index, id: [], now: swarm.now)
        asked.attempts.append(attempt)
        asked.progressAt = swarm.now
        swarm.requestDelivered()
        swarm.requestForwarded()
        swarm.note(.provider, provider.index, "endpoint gets request", number)
        running[id.number] = SwarmForward(id.number, attempt, provider, reply, self, swarm)
        return id
    }

    func cancel(_ id: ForwardID) {
        guard let forward = running.removeValue(forKey: id.number) else { return }
        forward.attempt.cancelledAt = swarm.now
        forward.attempt.isLost = true
        forward.stop()
        swarm.note(.provider, forward.attempt.provider, "endpoint is cancelled", forward.attempt.request.number)
    }

    fileprivate func isRunning(_ number: UInt64) -> Bool { running[number] != nil }
    fileprivate func ended(_ number: UInt64) { running[number] = nil }

    // MARK: Invariants

    func audit() {
        guard !swarm.readsLittleAhead, !swarm.plan.has(.tightLimits) else { return }
        for forward in running.values {
            guard let left = forward.attempt.request.leftAt else { continue }
            if swarm.now - max(left, forward.attempt.receivedAt) > .seconds(2) {
                swarm.fail("the endpoint works on request \(forward.attempt.request.number), whose buyer has gone")
            }
        }
    }

    /// The process is gone, and its connections with it.
    func stop() {
        for forward in running.values {
            forward.attempt.isLost = true
            forward.stop()
        }
        running = [:]
    }
}

/// One forwarded request, and the engine's work on it.
private final class SwarmForward: SimulatedActor {
    let number: UInt64
    let attempt: SwarmAttempt
    private unowned let provider: SwarmProvider
    private let reply: any ForwardReply
    private unowned let forwarder: SwarmForwarder
    private unowned let swarm: Swarm
    private let chunkCount: Int
    private let sendsDone: Bool
    private var nextSeq = 0
    private var timer: TimerID?

    init(
        _ number: UInt64, _ attempt: SwarmAttempt, _ provider: SwarmProvider, _ reply: any ForwardReply,
        _ forwarder: SwarmForwarder, _ swarm: Swarm
    ) {
        self.number = number
        self.attempt = attempt
        self.provider = provider
        self.reply = reply
        self.forwarder = forwarder
        self.swarm = swarm
        let most = swarm.plan.mostChunks
        chunkCount = attempt.request.stream ? Int.random(in: 0...most, using: &forwarder.random) : 1
        sendsDone = forwarder.random.chance(0.3)
        act(after: .milliseconds(Int.random(in: 0...200, using: &forwarder.random)))
    }

    private func act(after delay: Duration) { timer = swarm.environment.schedule(self, at: swarm.now + delay) }

    func stop() {
        if let timer { swarm.environment.cancel(timer) }
        timer = nil
    }

    func act() {
        timer = nil
        guard !hangs() else { return }
        if nextSeq == 0, let status = failure() {
            return finish(.failed, .answered(status: status.0, isAboutContext: status.1))
        }
        for _ in 0..<Int.random(in: 1...4, using: &forwarder.random) {
            if provider.strikes(.endpointCuts) {
                swarm.struck(.endpointCuts)
                return finish(.failed, .broken)
            }
            guard nextSeq < chunkCount else { return finish(.complete, .complete) }
            produce()
            // A buyer who does not read ends it in the midst.
            guard forwarder.isRunning(number) else { return }
        }
        if provider.strikes(.endpointLate) {
            swarm.struck(.endpointLate)
            let most = Int(swarm.settings.routing.requestTimeout.inMilliseconds)
            return act(after: .milliseconds(Int.random(in: 100...most * 5 / 4, using: &forwarder.random)))
        }
        act(after: .microseconds(Int.random(in: 200...40_000, using: &forwarder.random)))
    }

    private func hangs() -> Bool {
        guard !(swarm.isResting && swarm.plan.providersRest) else { return true }
        guard provider.strikes(.endpointHangs) else { return false }
        swarm.struck(.endpointHangs)
        swarm.note(.provider, provider.index, "endpoint hangs", attempt.request.number)
        return true
    }

    private func failure() -> (Int, Bool)? {
        if provider.strikes(.endpointUnreachable) {
            swarm.struck(.endpointUnreachable)
            attempt.status = 530
            return (530, false)
        }
        guard provider.strikes(.endpointFails) else { return nil }
        swarm.struck(.endpointFails)
        let statuses = [400, 404, 413, 429, 500, 502, 503, 504]
        let status = statuses[Int.random(in: 0..<statuses.count, using: &forwarder.random)]
        attempt.status = status
        return (status, forwarder.random.chance(0.2))
    }

    private func produce() {
        let (seq, filler, request) = (nextSeq, swarm.plan.largestFiller, attempt.request.number)
        var data = ByteQueue()
        if attempt.request.stream, sendsDone, seq == chunkCount - 1 {
            attempt.doneAt = seq
            data.append(SwarmText.done)
        } else if attempt.request.stream {
            SwarmText.appendEvent(
                request: request, attempt: attempt.number, place: seq, largestFiller: filler, to: &data)
        } else {
            SwarmText.appendAnswer(
                request: request, attempt: attempt.number, place: seq, largestFiller: filler, to: &data)
        }
        nextSeq += 1
        swarm.chunkSent()
        attempt.sent(seq, now: swarm.now)
        swarm.note(.provider, provider.index, "endpoint sends chunk", request, seq)
        reply.forwardProduced(data.view)
    }

    private func finish(_ end: SwarmAttempt.End, _ result: ForwardResult) {
        attempt.ended(end)
        forwarder.ended(number)
        swarm.note(.provider, provider.index, "endpoint ends", attempt.request.number)
        reply.forwardFinished(result)
    }
}
