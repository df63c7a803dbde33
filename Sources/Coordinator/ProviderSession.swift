import Environment
import Pool
import Primitives
import ProviderProtocol
import WebSocketCodec

/// One provider's WebSocket, from the upgrade to the last byte: decodes what comes, keeps the deadlines, and owns the
/// only writer.
///
///     received ─▶ FrameDecoder ─▶ ProviderMessage ─▶ Relay (chunks) or pool (everything else)
///     send ─▶ FrameWriter ─▶ flush, once a turn
///
/// ``ProviderSession+Handshake`` lets a provider in, ``ProviderSession+EncryptedLeg`` seals and opens what belongs to
/// requests in version 2, ``ProviderSession+Rekey`` gives the session new keys.
final class ProviderSession: ConnectionHandler {
    enum SendRefusal: Error { case backpressure, tooBig, closing }

    enum State {
        /// Upgraded, nothing said yet.
        case greeting(until: MonotonicInstant)
        /// Version 2: the challenge was sent, its answer is awaited.
        case proving(ChallengedProvider, until: MonotonicInstant)
        case live(EntryHandle)
        /// A Close has been queued, or the connection is going down: nothing is heard any more.
        case closing
        case over
    }

    let id: UniqueID
    private(set) var providerID = ""
    /// As this provider spelt it in its hello.
    private(set) var modelName = ""
    /// The id of the recovery probe that has not been answered yet.
    var recoveryProbe: String?
    /// Runs out when a PING that had to be answered was not.
    private var pingProbe: TimerID?
    /// Where its requests are forwarded to over HTTP; nil for those behind the WebSocket.
    private(set) var endpointURL: String?
    /// What a session of version 2 has besides; nil for one in the clear.
    private(set) var leg: ProviderLeg?
    let connection: any Connection
    let coordinator: Coordinator
    private var decoder: FrameDecoder
    private(set) var writer: FrameWriter
    var state: State
    private(set) var requests: [Relay] = []
    /// Cancellations that the queue had no room for: the provider works on what nobody wants any more.
    private var lateCancels: [(RequestID, CancelRequest.Reason)] = []
    private static let lateCancelCount = 1024
    /// Set once the operator has banned the provider: how the session ends when its work is done.
    private var refusalAtEnd: SessionRefusal?
    /// The token's provider name, when the upgrade carried one.
    let tokenOwner: String?

    init(
        connection: any Connection, writeHalf: consuming WriteHalf, tokenOwner: String?, coordinator: Coordinator
    ) {
        let settings = coordinator.settings.providerLink
        self.connection = connection
        self.coordinator = coordinator
        self.tokenOwner = tokenOwner
        id = coordinator.environment.randomID()
        decoder = FrameDecoder(role: .server, maxMessageByteCount: settings.messageByteCount)
        writer = FrameWriter(role: .server, limits: settings.writer, writeHalf: writeHalf, maskSeed: 0)
        coordinator.webSocketOpened()
        state = .greeting(until: coordinator.environment.now + settings.handshakeTimeout)
        updateDeadline()
    }

    var now: MonotonicInstant { coordinator.environment.now }

    /// Where the pool keeps this session's entry. Only a live session has one, and only live ones get requests.
    private(set) var handle: EntryHandle?

    var waitingMessageCount: Int { writer.waitingMessageCount }
    var activeRequestCount: Int { requests.count }
    var peer: PeerAddress { connection.peer }

    // MARK: Input

    func received(_ bytes: MutableByteView) {
        var input = bytes
        do {
            while isListening, let event = try decoder.next(&input) { eventReceived(event) }
        } catch {
            coordinator.metrics.frameErrors += 1
            coordinator.log(
                .warn, "frame_refused",
                [("peer", .string(connection.peer.host)), ("reason", .string(error.reason.description))])
            close(error.code, error.reason.description)
        }
    }

    private var isListening: Bool {
        switch state {
        case .greeting, .proving, .live, .closing: true
        case .over: false
        }
    }

    @inline(__always)
    private func eventReceived(_ event: WebSocketEvent) {
        switch event {
        case .text(let text):
            if case .live(let handle) = state { messageReceived(text, handle) } else { handshakeReceived(text) }
        case .ping(let payload):
            heard()
            if writer.waitingPongCount >= coordinator.settings.providerLink.writer.waitingPongCount / 2 { makeRoom() }
            do throws(FrameWriter.Refusal) {
                try writer.queuePong(payload)
                coordinator.metrics.pongsSent += 1
                connection.requestFlush()
            } catch {
                if error == .tooManyPongs { close(.policyViolation, "too many pings") }
            }
        case .pong:
            heard()
            if let pingProbe, let handle {
                coordinator.environment.cancel(pingProbe)
                self.pingProbe = nil
                coordinator.probeAnswered(by: handle)
            }
        case .binary(let bytes):
            coordinator.metrics.messagesIgnored += 1
            coordinator.log(
                .warn, "binary_message_ignored",
                [("provider_id", .string(providerID)), ("bytes", .int(bytes.count))])
        case .close(let code, _):
            closeReceived(code)
        }
    }

    @inline(__always)
    private func heard() {
        if let handle { coordinator.pool.heard(handle, now: now) }
    }

    private func messageReceived(_ text: ByteView, _ handle: EntryHandle) {
        let message: ProviderMessage
        do {
            message = try ProviderMessage.parse(text, with: coordinator.providerParser)
        } catch {
            ignored("malformed", error.description)
            return
        }
        let now = now
        if message.isOfLiveSession { coordinator.pool.heard(handle, now: now) }
        switch message {
        case .chunk(let chunk):
            guard leg == nil else { return clearAnswerReceived() }
            if let request = request(chunk.requestID) {
                request.chunkReceived(chunk, now: now)
            } else {
                coordinator.metrics.chunksUnknown += 1
                coordinator.log(.warn, "chunk_for_unknown_request", [("provider_id", .string(providerID))])
            }
        case .end(let end):
            guard leg == nil else { return clearAnswerReceived() }
            if let request = request(end.requestID) {
                request.endReceived(end)
            } else {
                coordinator.metrics.chunksUnknown += 1
            }
        case .heartbeat(let heartbeat): coordinator.heartbeatReceived(heartbeat, from: handle)
        case .stateUpdate(let update): coordinator.stateUpdated(update, from: handle)
        case .drainStatus(let status):
            coordinator.perform(
                coordinator.pool.drainStatusReceived(handle, isComplete: status.phase == .complete, now: now))
        case .preflightAck(let answer): coordinator.preflightAnswered(answer, by: self)
        case .nak(let nak): nakReceived(nak, handle)
        case .sealedChunk(let frame): sealedChunkReceived(frame, now: now)
        case .sealedEnd(let frame): sealedEndReceived(frame)
        case .rekeyResponse(let response): rekeyResponseReceived(response)
        case .rekeyCommitted(let proof): rekeyCommittedReceived(proof)
        case .hello, .authRequest: ignored("unexpected", "not a message of a live session")
        case .unknown(let type):
            ignored("unknown_type", type.prefix(64).string)
        }
    }

    /// The request of that id, if it is this session's.
    @inline(__always)
    func request(_ id: ByteView) -> Relay? {
        guard let id = RequestID(id), let request = coordinator.requests.find(id), request.session === self else {
            return nil
        }
        return request
    }

    func ignored(_ what: String, _ detail: String) {
        coordinator.metrics.messagesIgnored += 1
        coordinator.log(
            .warn, "message_ignored",
            [("provider_id", .string(providerID)), ("why", .string(what)), ("detail", .string(detail))])
    }

    /// A provider that cannot be sent requests through its WebSocket says so in answer to the first one.
    private func nakReceived(_ nak: Nak, _ handle: EntryHandle) {
        coordinator.metrics.naksReceived += 1
        coordinator.log(
            .warn, "nak_received",
            [("provider_id", .string(providerID)), ("code", .string(nak.code.prefix(64).string))])
        guard nak.code == "unknown_message_type" else { return }
        let refused: Relay?
        if nak.inReplyTo == "inference_request" {
            // Without an id it is the latest one that nothing has come for.
            refused = nak.requestID.map { request($0) } ?? requests.last { !$0.hasBegun && !$0.isCancelling }
        } else {
            refused = request(nak.inReplyTo)
        }
        guard let refused else { return }
        coordinator.pool.markHTTPForwardingOnly(handle)
        refused.refusedAsUnknown()
    }

    private func closeReceived(_ code: CloseCode?) {
        coordinator.metrics.closeCodesReceived[code?.rawValue ?? 1005, default: 0] += 1
        if case .closing = state {} else { coordinator.log(.info, "provider_closed", logFields(code?.rawValue)) }
        writer.queueClose(code ?? .normal, reason: "")
        leavePool()
        advance(writer.closeReceived(now: now))
        connection.requestFlush()
    }

    // MARK: Handshake

    /// The provider is in the pool; what it is told comes next.
    func registered(_ description: ProviderDescription, _ admission: Admission, leg: ProviderLeg?) {
        providerID = description.providerID
        modelName = description.modelID
        handle = admission.handle
        endpointURL = coordinator.pool[admission.handle]?.endpointURL
        self.leg = leg
        state = .live(admission.handle)
        coordinator.sessionBegan(self, admission.handle)
        coordinator.log(
            .info, "provider_registered",
            [
                ("provider_id", .string(providerID)), ("assigned_id", .string(id.text)),
                ("model", .string(description.modelID)), ("slots", .int(description.maxConcurrency)),
                ("tier", .string(admission.tier.name.description)), ("peer", .string(connection.peer.host)),
                ("encrypted", .bool(leg != nil)),
            ])
    }

    // MARK: Output

    func sendRequest(_ id: RequestID, stream: Bool, body: ByteView) throws(SendRefusal) {
        makeRoomForMessage()
        if let leg { return try sendSealedRequest(id, stream: stream, body: body, leg) }
        let estimate = 128 + body.count + body.count / 8
        try queueRequest(estimatedByteCount: estimate) {
            CoordinatorMessage.inferenceRequest(requestID: id, stream: stream, body: body, into: &$0)
        }
    }

    func queueRequest(
        estimatedByteCount: Int, _ body: (inout ByteQueue) -> Void
    ) throws(SendRefusal) {
        do throws(FrameWriter.Refusal) {
            try writer.queueText(estimatedByteCount: estimatedByteCount, body)
        } catch {
            switch error {
            case .backpressure, .tooManyPongs: throw .backpressure
            case .messageTooBig: throw .tooBig
            case .closing: throw .closing
            }
        }
        connection.requestFlush()
    }

    func sendCancel(_ id: RequestID, reason: CancelRequest.Reason) {
        guard !queueCancel(id, reason), case .live = state, lateCancels.count < Self.lateCancelCount else { return }
        lateCancels.append((id, reason))
    }

    private func queueCancel(_ id: RequestID, _ reason: CancelRequest.Reason) -> Bool {
        queue(estimatedByteCount: 110) { CoordinatorMessage.cancelRequest(requestID: id, reason: reason, into: &$0) }
    }

    private func sendLateCancels() {
        let limit = coordinator.settings.providerLink.writer.waitingMessageCount
        while writer.waitingMessageCount < limit, let (id, reason) = lateCancels.last, queueCancel(id, reason) {
            lateCancels.removeLast()
        }
    }

    func sendPreflight(_ requestID: ByteView, estimatedTokens: Int) {
        queue(estimatedByteCount: 110) {
            Preflight(requestID: requestID, estimatedTokens: estimatedTokens).append(to: &$0)
        }
    }

    /// - Returns: false when the link has no room for it.
    @discardableResult func sendDrain() -> Bool {
        queue(estimatedByteCount: 32) { CoordinatorMessage.drain(into: &$0) }
    }

    func sendWarmUp() { queue(estimatedByteCount: 32) { CoordinatorMessage.warmUp(into: &$0) } }

    /// Sends a PING that must be answered in time.
    func probe(within limit: Duration) {
        guard pingProbe == nil else { return }
        sendPing()
        pingProbe = coordinator.environment.schedule(at: now + limit) { [self] in
            pingProbe = nil
            cut()
        }
    }

    func sendPing() {
        try? writer.queuePing(.empty)
        connection.requestFlush()
    }

    /// For messages that no buyer waits on. On a link so full that there is no room, the write deadline decides.
    @discardableResult func queue(estimatedByteCount: Int, _ body: (inout ByteQueue) -> Void) -> Bool {
        makeRoomForMessage()
        do throws(FrameWriter.Refusal) {
            try writer.queueText(estimatedByteCount: estimatedByteCount, body)
            connection.requestFlush()
            return true
        } catch {
            coordinator.metrics.messagesNotSent += 1
            return false
        }
    }

    /// Queues a Close behind what waits; nothing is heard from this provider any more.
    func close(_ code: CloseCode, _ reason: String) {
        if case .over = state { return }
        coordinator.metrics.closeCodesSent[code.rawValue, default: 0] += 1
        writer.queueClose(code, reason: reason)
        leavePool()
        connection.requestFlush()
    }

    /// The operator has banned this provider: what it works on may finish, then it is told so and nothing more.
    func closeWhenIdle(_ refusal: SessionRefusal) {
        refusalAtEnd = refusal
        closeIfIdle()
    }

    private func closeIfIdle() {
        guard case .live = state, requests.isEmpty, let refusalAtEnd else { return }
        close(refusalAtEnd.closeCode, refusalAtEnd.reason)
    }

    /// Its drain is over, or took too long.
    func closeDrained(_ code: CloseCode, _ reason: String) {
        if let refusalAtEnd { close(refusalAtEnd.closeCode, refusalAtEnd.reason) } else { close(code, reason) }
    }

    /// A newer session of the same provider has its place.
    func replace() { close(SessionRefusal.replaced.closeCode, SessionRefusal.replaced.reason) }

    /// Ends the connection without a Close: nobody listens there.
    func cut() {
        leavePool()
        connection.close()
    }

    /// From here on the session serves nobody; its requests fail.
    private func leavePool() {
        switch state {
        case .greeting, .proving: coordinator.greetingEnded(self)
        case .live: break
        case .closing, .over: return
        }
        state = .closing
        if let pingProbe { coordinator.environment.cancel(pingProbe) }
        leg?.rekeyAbandoned()
        guard let handle else { return }
        // A request that fails lets its buyer's next one in, which must not come here again.
        coordinator.pool.setDispatchSuspended(handle, true)
        let orphans = requests
        for request in orphans { request.sessionEnded() }
        coordinator.sessionEnded(self, handle)
    }

    func flush() { advance(writer.flush(now: now)) }

    /// Bounds are for a peer that does not read, not for a turn in which much happens: before one is reached, what the
    /// socket takes at once leaves early.
    private func makeRoom() { advance(writer.flush(now: now)) }

    private func makeRoomForMessage() {
        if writer.waitingMessageCount >= coordinator.settings.providerLink.writer.waitingMessageCount { makeRoom() }
    }

    func writeCompleted() {
        advance(writer.writeCompleted(now: now))
        if !lateCancels.isEmpty { sendLateCancels() }
    }

    private func advance(_ progress: FrameWriter.Progress) {
        switch progress {
        case .continue:
            if writer.nextDeadline != nil { updateDeadline() }
        case .finished(let ending):
            if ending == .writeTimedOut { coordinator.metrics.writeDeadlineDrops += 1 }
            leavePool()
            connection.close()
        }
    }

    // MARK: Requests

    func add(_ request: Relay) {
        request.positionInSession = requests.count
        requests.append(request)
    }

    func remove(_ request: Relay) {
        let position = request.positionInSession
        guard position < requests.count, requests[position] === request else { return }
        let last = requests.removeLast()
        if last !== request {
            requests[position] = last
            last.positionInSession = position
        }
        closeIfIdle()
        rekeyIfIdle()
    }

    // MARK: Ends

    func peerFinished() {
        leavePool()
        connection.close()
    }

    func closed(_ end: ConnectionEnd) {
        if case .live = state { coordinator.log(.info, "provider_disconnected", logFields(nil)) }
        leavePool()
        state = .over
        coordinator.webSocketEnded()
    }

    func logFields(_ code: UInt16?) -> LogRecord.Fields {
        var fields: LogRecord.Fields = [
            ("provider_id", .string(providerID)), ("assigned_id", .string(id.text)),
        ]
        if let code { fields.append(("code", .int(Int(code)))) }
        return fields
    }

    // MARK: Time

    func updateDeadline() {
        var own: MonotonicInstant?
        switch state {
        case .greeting(let until), .proving(_, let until): own = until
        case .live: own = leg?.nextDeadline
        case .closing, .over: break
        }
        connection.setDeadline(earliest(own, writer.nextDeadline))
    }

    func deadlineReached() {
        advance(writer.deadlineReached(now: now))
        switch state {
        case .greeting(let until) where until <= now, .proving(_, let until) where until <= now:
            close(.policyViolation, "handshake timed out")
        case .live: rekeyDeadlineReached()
        case .greeting, .proving, .closing, .over: break
        }
        updateDeadline()
    }
}

extension ProviderMessage {
    /// What does not belong here does not count as a sign of life (docs/protocol.md, section 5).
    @inline(__always) fileprivate var isOfLiveSession: Bool {
        switch self {
        case .chunk, .end, .heartbeat, .stateUpdate, .drainStatus, .preflightAck, .nak, .sealedChunk, .sealedEnd,
            .rekeyResponse, .rekeyCommitted:
            true
        case .hello, .authRequest, .unknown: false
        }
    }
}
