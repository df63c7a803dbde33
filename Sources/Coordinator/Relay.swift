import Environment
import HTTPCodec
import Pool
import Primitives
import ProviderProtocol

/// One buyer's request while a provider works on it: joins the buyer's connection, the provider's session and the
/// ``RelayMachine`` that decides.
final class Relay: ExchangeOwner, ForwardReply {
    let id: RequestID
    let chat: ChatRequest
    let receivedAt: MonotonicInstant
    private(set) var session: ProviderSession
    /// Where this request stands in its session's list; kept by the session.
    var positionInSession = 0

    /// Not a cycle for long: what ends takes itself off the coordinator's lists.
    private let coordinator: Coordinator
    /// nil once the request is over for its buyer.
    private var exchange: (any Exchange)?
    private var machine: RelayMachine
    private var timer: TimerID?
    /// Kept until a provider has begun to answer, for the next one to try.
    private var body: HeldBody
    let wish: RouteWish
    let buyerHost: String
    private(set) var usage: Usage?
    private(set) var routingTime = Duration.zero
    private(set) var isRetried = false
    private var tried: [EntryHandle] = []
    private(set) var chunksReceived = 0
    /// Of an encrypted session: what is authenticated with this request's chunks, once one has come.
    private var context: ChunkContext?
    /// When the chunk before came, or the request was cancelled.
    private var lastEventAt: MonotonicInstant
    private var held: [Int: [UInt8]] = [:]
    private var heldByteCount = 0
    /// The answer of a request that does not stream, until its end has come.
    private var wholeAnswer = ByteQueue()
    private var doneWasRelayed = false
    /// Set while the request is on its way over HTTP.
    private var forward: ForwardID?
    /// What the pool is told when a cancelled request gives its slot back.
    private var outcomeOnRelease = RequestOutcome.cancelled

    init(
        id: RequestID, chat: ChatRequest, wish: RouteWish, body: consuming HeldBody, session: ProviderSession,
        exchange: any Exchange, coordinator: Coordinator
    ) {
        self.id = id
        self.chat = chat
        self.wish = wish
        self.body = body
        self.session = session
        self.exchange = exchange
        buyerHost = exchange.buyerHost
        self.coordinator = coordinator
        receivedAt = coordinator.environment.now
        lastEventAt = coordinator.environment.now
        machine = RelayMachine(timeouts: coordinator.relayTimeouts, now: coordinator.environment.now)
    }

    private var now: MonotonicInstant { coordinator.environment.now }

    var hasBegun: Bool { machine.hasBegun }
    var isCancelling: Bool { machine.isCancelling }

    // MARK: Dispatch

    /// Takes a slot of the chosen session, and asks it first when the prompt is long.
    func start() {
        guard let handle = session.handle, coordinator.pool.requestStarted(handle, now: now) else {
            return answer(with: .noProvider)
        }
        exchange?.owner = self
        session.add(self)
        let asksFirst = chat.estimatedTokens > coordinator.settings.routing.preflightThresholdTokens
        machine = RelayMachine(timeouts: coordinator.relayTimeouts, asksFirst: asksFirst, now: now)
        if asksFirst {
            coordinator.metrics.preflightsSent += 1
            id.withText { session.sendPreflight($0, estimatedTokens: chat.estimatedTokens) }
            armTimer()
        } else {
            dispatch()
        }
    }

    /// Sends the request to its session. What cannot be sent is answered here.
    private func dispatch() {
        if let endpoint = session.endpointURL, let forwarder = coordinator.forwarder {
            coordinator.metrics.requestsForwarded += 1
            let request = ForwardedRequest(endpoint: endpoint, body: body.view, isStreaming: chat.stream)
            forward = forwarder.forward(request, reply: self)
            return armTimer()
        }
        do throws(ProviderSession.SendRefusal) {
            try session.sendRequest(id, stream: chat.stream, body: body.view)
            coordinator.metrics.requestsDispatched += 1
            routingTime = now - receivedAt
            coordinator.metrics.dispatchOverhead.observe(routingTime)
            armTimer()
        } catch {
            leaveSession(.withdrawn)
            switch error {
            case .backpressure:
                coordinator.metrics.backpressureRefusals += 1
                answer(with: .backpressure)
            case .tooBig: answer(with: .requestTooLarge)
            case .closing: answer(with: .providerFailed)
            }
        }
    }

    func preflightAnswered(_ answer: PreflightAck.Answer) {
        switch answer {
        case .accepted:
            if machine.preflightAnswered(isAccepted: true, now: now) { dispatch() }
        case .refused:
            guard !machine.isFinished else { return }
            _ = machine.preflightAnswered(isAccepted: false, now: now)
            if machine.isFinished { preflightFailed() }
        }
    }

    private func preflightFailed() {
        coordinator.metrics.preflightsFailed += 1
        tryNextProvider(.withdrawn, elseAnswer: .preflightRejected)
    }

    private func tryNextProvider(_ outcome: RequestOutcome, elseAnswer error: APIError) {
        if let handle = session.handle { tried.append(handle) }
        leaveSession(outcome)
        guard case .success(let handle) = coordinator.route(chat, wish, excluding: tried),
            let next = coordinator.session(handle)
        else { return answer(with: error) }
        session = next
        context = nil
        chunksReceived = 0
        coordinator.metrics.requestsRetried += 1
        isRetried = true
        start()
    }

    // MARK: From the provider

    @inline(__always)
    func chunkReceived(_ chunk: ResponseChunk, now: MonotonicInstant) {
        chunksReceived &+= 1
        switch machine.chunkReceived(seq: chunk.seq, now: now) {
        case .relay(let isFirst):
            if isFirst {
                begin()
            } else {
                coordinator.metrics.interChunkGap.observe(nanoseconds: now.nanoseconds &- lastEventAt.nanoseconds)
            }
            lastEventAt = now
            relay(chunk.data)
            if !held.isEmpty { relayHeld() }
        case .hold: hold(chunk)
        case .ignore: coordinator.metrics.chunksIgnored += 1
        }
    }

    @inline(__always)
    func chunkContext(_ leg: ProviderLeg) -> ChunkContext {
        if let context { return context }
        let made = leg.chunkContext(id, stream: chat.stream)
        context = made
        return made
    }

    private func begin() {
        coordinator.metrics.timeToFirstChunk.observe(now - receivedAt)
        body.removeAll()
        if chat.stream { exchange?.beginStream(status: 200, fields: session.streamFields(for: id)) }
    }

    @inline(__always)
    private func relay(_ data: ByteView) {
        coordinator.metrics.chunksRelayed &+= 1
        guard let exchange else { return }
        guard chat.stream else {
            wholeAnswer.append(data)
            if wholeAnswer.count > coordinator.settings.limits.bufferedByteCountPerRequest { abandon(.buyerTooSlow) }
            return
        }
        doneWasRelayed = data.endsWithDoneEvent
        exchange.stream(data)
        if exchange.waitingByteCount > coordinator.settings.limits.bufferedByteCountPerRequest { exchangeCutAsSlow() }
    }

    /// Keeps a copy of a chunk that came before its time.
    private func hold(_ chunk: ResponseChunk) {
        guard held[chunk.seq] == nil else { return coordinator.metrics.chunksIgnored += 1 }
        heldByteCount += chunk.data.count
        guard held.count < coordinator.settings.limits.heldChunkCount,
            heldByteCount <= coordinator.settings.limits.bufferedByteCountPerRequest
        else { return abandon(.brokenStream) }
        held[chunk.seq] = chunk.data.array
        armTimer()
    }

    private func relayHeld() {
        while !machine.isCancelling, let data = held.removeValue(forKey: machine.nextSeq) {
            heldByteCount -= data.count
            _ = machine.chunkReceived(seq: machine.nextSeq, now: now)
            withByteView(data) { relay($0) }
        }
        machine.gapChanged(isOpen: !held.isEmpty, now: now)
    }

    func endReceived(_ end: ResponseEnd) {
        if let sent = end.chunksSent, sent != chunksReceived {
            coordinator.metrics.chunkCountMismatches += 1
            coordinator.log(
                .warn, "chunk_count_mismatch",
                [
                    ("request_id", .string(id.text)), ("provider_id", .string(session.providerID)),
                    ("chunks_sent", .int(sent)), ("chunks_received", .int(chunksReceived)),
                ])
        }
        let hasGap = !held.isEmpty
        if let usage = end.usage {
            self.usage = usage
            coordinator.metrics.record(usage)
        }
        switch end.status {
        case .complete: ended(machine.completed(hasGap: hasGap))
        case .cancelled: ended(machine.ended(with: .cancelled))
        case .errorModelNotLoaded: ended(machine.ended(with: .fail(.modelNotLoaded)))
        case .errorContextExceeded: ended(machine.ended(with: .fail(.contextExceeded)))
        case .errorQueueFull: ended(machine.ended(with: .fail(.queueFull)))
        case .errorInternal: ended(machine.ended(with: .fail(.internalError)))
        }
    }

    func forwardProduced(_ data: ByteView) {
        guard forward != nil else { return }
        chunkReceived(ResponseChunk(requestID: .empty, seq: machine.nextSeq, data: data), now: now)
    }

    func forwardFinished(_ result: ForwardResult) {
        guard forward != nil else { return }
        forward = nil
        if result.providerResult == .fail(.endpointUnreachable) { coordinator.endpointUnreachable(session) }
        ended(machine.ended(with: result.providerResult))
    }

    private func ended(_ action: RelayMachine.EndAction) {
        switch action {
        case .complete:
            leaveSession(.completed)
            complete()
        case .tryNextProvider:
            tryNextProvider(.refused, elseAnswer: .allBusy)
        case .fail(let failure, let begun):
            logFailure(failure)
            leaveSession(failure.outcome)
            fail(failure, begun: begun)
        case .closeBuyer:
            leaveSession(.cancelled)
            let target = conclude(status: 499, error: "cancelled")
            remove()
            target?.abort()
        case .releaseSlot:
            coordinator.metrics.cancellationLatency.observe(now - lastEventAt)
            leaveSession(outcomeOnRelease)
            remove()
        case .ignore: break
        }
    }

    /// The provider does not know how to be sent requests.
    func refusedAsUnknown() { failed(.notUnderstood) }

    /// The provider's side of this request is over, for a reason that it did not give.
    func failed(_ failure: RelayMachine.Failure) { ended(machine.ended(with: .fail(failure))) }

    func sessionEnded() {
        if let forward {
            coordinator.forwarder?.cancel(forward)
            self.forward = nil
        }
        switch machine.sessionEnded() {
        case .fail(let failure, let begun):
            logFailure(failure)
            leaveSession(.failed)
            fail(failure, begun: begun)
        case .tryNextProvider: preflightFailed()
        case .releaseSlot, .cancel, .withdraw, .none:
            leaveSession(.failed)
            remove()
        }
    }

    // MARK: From the buyer

    func exchangeAbandoned() {
        _ = conclude(status: 499, error: "buyer_disconnected")
        interrupted(machine.buyerLeft(now: now), reason: .buyerDisconnected)
    }

    func exchangeCutAsSlow() {
        coordinator.metrics.slowBuyersDropped += 1
        abandon(.buyerTooSlow)
    }

    // MARK: From the coordinator

    /// The drain's time is over.
    func shutDown() { abandon(.shuttingDown, reason: .coordinatorShutdown) }

    private func abandon(_ failure: RelayMachine.Failure, reason: CancelRequest.Reason = .timeout) {
        interrupted(machine.abandoned(failure, now: now), reason: reason)
    }

    private func interrupted(_ interruption: RelayMachine.Interruption, reason: CancelRequest.Reason) {
        switch interruption {
        case .cancel(let failure, let begun):
            coordinator.metrics.cancellations += 1
            lastEventAt = now
            stopProvider(reason)
            body.removeAll()
            held.removeAll()
            if let failure {
                logFailure(failure)
                outcomeOnRelease = failure.outcome
                fail(failure, begun: begun)
            }
            // An aborted transfer has no end to wait for.
            if isStoppedAtOnce { ended(machine.ended(with: .cancelled)) } else { armTimer() }
        case .fail(let failure, let begun):
            leaveSession(.failed)
            fail(failure, begun: begun)
        case .releaseSlot:
            coordinator.metrics.cancellationsTimedOut += 1
            leaveSession(outcomeOnRelease)
            remove()
        case .tryNextProvider: preflightFailed()
        case .withdraw(let failure):
            leaveSession(.withdrawn)
            if let failure { fail(failure, begun: false) } else { remove() }
        case .none: break
        }
    }

    private var isStoppedAtOnce: Bool { session.endpointURL != nil && coordinator.forwarder != nil }

    private func stopProvider(_ reason: CancelRequest.Reason) {
        if let forward {
            coordinator.forwarder?.cancel(forward)
            self.forward = nil
        } else {
            session.sendCancel(id, reason: reason)
        }
    }

    // MARK: Time

    /// Set for the deadline that stood when it was set: one that moved later is noticed when the timer fires, so a chunk
    /// costs nothing here. The timer holds the relay, which may leave the table while it runs.
    private func armTimer() {
        if let timer { coordinator.environment.cancel(timer) }
        timer = nil
        guard let deadline = machine.nextDeadline else { return }
        timer = coordinator.environment.schedule(at: deadline) { [self] in
            timer = nil
            interrupted(machine.deadlineReached(now: now), reason: .timeout)
            if timer == nil { armTimer() }
        }
    }

    // MARK: Ends

    private func complete() {
        let hasAnswer = chat.stream || !wholeAnswer.isEmpty
        let target = conclude(status: hasAnswer ? 200 : 502, error: hasAnswer ? nil : APIError.providerError.code)
        remove()
        guard let target else { return }
        if chat.stream {
            // Does nothing when the first chunk has begun it; a stream may also be empty.
            target.beginStream(status: 200, fields: session.streamFields(for: id))
            if !doneWasRelayed { target.stream(ByteView(Self.doneEvent)) }
            target.endStream()
        } else if wholeAnswer.isEmpty {
            target.respond(with: .providerError, to: id)
        } else {
            target.respond(status: 200, fields: session.answerFields(for: id), body: wholeAnswer.view)
        }
    }

    private func fail(_ failure: RelayMachine.Failure, begun: Bool) {
        let error = failure.answer
        let target = conclude(status: error.status, error: error.code)
        if machine.isFinished { remove() }
        guard let target else { return }
        if failure == .buyerTooSlow {
            target.abort()
        } else if begun && chat.stream {
            // A stream whose [DONE] has gone out is whole for its reader; an error behind it would belong to nothing.
            if !doneWasRelayed {
                target.stream(ByteView(Self.disconnectEvent))
                target.stream(ByteView(Self.doneEvent))
            }
            target.endStream()
        } else {
            target.respond(with: error, to: id)
        }
    }

    private func answer(with error: APIError) {
        let target = conclude(status: error.status, error: error.code)
        remove()
        target?.respond(with: error, to: id)
    }

    /// The request is over for its buyer: counted and logged once. Gives the exchange back if somebody still waits.
    private func conclude(status: Int, error: String? = nil) -> (any Exchange)? {
        guard let last = exchange else { return nil }
        last.owner = nil
        exchange = nil
        coordinator.requestConcluded(self, status: status, error: error)
        return last
    }

    /// The request is over for its provider too: its place is free.
    private func remove() {
        if let timer { coordinator.environment.cancel(timer) }
        timer = nil
        coordinator.requests.remove(id)
    }

    private func leaveSession(_ outcome: RequestOutcome) {
        session.remove(self)
        guard let handle = session.handle else { return }
        coordinator.perform(coordinator.pool.requestFinished(handle, outcome: outcome, now: now))
    }

    private func logFailure(_ failure: RelayMachine.Failure) {
        coordinator.log(
            .warn, "request_failed",
            [
                ("request_id", .string(id.text)), ("provider_id", .string(session.providerID)),
                ("model", .string(chat.model)), ("failure", .string(failure.name)),
            ])
    }

    private static let doneEvent: StaticString = "data: [DONE]\n\n"
    private static let disconnectEvent: StaticString =
        "data: {\"error\":{\"message\":\"The provider stopped before the answer was complete.\",\"type\":\"server_error\",\"code\":\"provider_disconnect\"}}\n\n"
}
