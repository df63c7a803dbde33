import Environment
import HTTPCodec
import Primitives

/// One HTTP/1.1 connection of either listener: requests in, answers out, in order.
///
///     received ─▶ RequestDecoder ─▶ HTTPService ─▶ respond / beginStream … ─▶ StreamWriter ─▶ flush
///
/// While a request is being answered, bytes of the next one wait undecoded, but reading goes on: that is how a buyer
/// who left is noticed.
final class HTTPServerConnection: ConnectionHandler, Exchange {
    private enum State {
        case betweenRequests(since: MonotonicInstant)
        case readingHead(since: MonotonicInstant)
        case readingBody(RequestHead, since: MonotonicInstant)
        /// The service has the request.
        case answering(Answer)
        /// The last answer is leaving; input is thrown away until the peer closes too, or the deadline comes. It runs from
        /// when everything has left: until then each batch has a deadline of its own.
        case lingering(until: MonotonicInstant?)
        /// The peer has closed its side; what waits may still leave, then this side closes.
        case leaving
        /// Ended, or handed over to another handler.
        case over
    }

    private struct Answer {
        enum Phase { case pending, streaming(ResponseFraming) }
        var phase = Phase.pending
        var isHEAD: Bool
        var keepsAlive: Bool
        var version: HTTPVersion
    }

    let connection: any Connection
    private let coordinator: Coordinator
    private let service: any HTTPService
    private var decoder: RequestDecoder
    private var writer: StreamWriter
    private var state: State
    private var body: HeldBody
    /// Input that came while a request was being answered.
    private var pipelined = ByteQueue()
    private var readingIsPaused = false
    private var isDecoding = false
    /// Set by the service for as long as it works on an answer.
    var owner: (any ExchangeOwner)?
    let acceptedNumber: UInt64

    init(
        connection: any Connection, writeHalf: consuming WriteHalf, service: any HTTPService, coordinator: Coordinator,
        number: UInt64
    ) {
        self.connection = connection
        self.coordinator = coordinator
        self.service = service
        acceptedNumber = number
        decoder = RequestDecoder(limits: coordinator.settings.limits.http)
        writer = StreamWriter(writeHalf: writeHalf, timeout: coordinator.settings.timeouts.buyerWrite)
        body = HeldBody(ledger: coordinator.bodyLedger)
        state = .betweenRequests(since: coordinator.environment.now)
        updateDeadline()
    }

    private var now: MonotonicInstant { coordinator.environment.now }

    private(set) lazy var buyerHost = connection.peer.host

    /// Bytes that the peer has not taken yet, without the batch in the kernel's hands.
    var waitingByteCount: Int { writer.queue.count }

    /// A request is in the service's hands, or its answer is not out yet.
    var isBusy: Bool {
        switch state {
        case .answering, .readingBody, .readingHead: true
        case .betweenRequests, .lingering, .leaving: !writer.isDrained
        case .over: false
        }
    }

    // MARK: Input

    func received(_ bytes: MutableByteView) {
        switch state {
        case .betweenRequests, .readingHead, .readingBody:
            if pipelined.isEmpty { decode(bytes.readOnly) } else { keepForLater(bytes.readOnly) }
        case .answering: keepForLater(bytes.readOnly)
        case .lingering, .leaving, .over: break
        }
    }

    private func keepForLater(_ bytes: ByteView) {
        pipelined.append(bytes)
        if pipelined.count > coordinator.settings.limits.pipelinedByteCount && !readingIsPaused {
            readingIsPaused = true
            connection.pauseReading()
        }
    }

    private func decode(_ bytes: ByteView) {
        var input = bytes
        isDecoding = true
        defer { isDecoding = false }
        do {
            while isReading, let event = try decoder.next(&input) {
                switch event {
                case .head(let head): headReceived(head, rest: &input)
                case .body(let piece): bodyReceived(piece)
                case .end: requestReceived()
                }
            }
        } catch {
            refuse(APIError(error.status, .invalidRequest, "bad_request", error.reason.description))
        }
        switch state {
        case .answering where !input.isEmpty, .betweenRequests where !input.isEmpty: keepForLater(input)
        case .betweenRequests where !decoder.isBetweenRequests: state = .readingHead(since: now)
        case .betweenRequests, .readingHead, .readingBody, .answering, .lingering, .leaving, .over: break
        }
        updateDeadline()
    }

    private var isReading: Bool {
        switch state {
        case .betweenRequests: !hasManyAnswersWaiting
        case .readingHead, .readingBody: true
        case .answering, .lingering, .leaving, .over: false
        }
    }

    /// Answers that nobody reads must not pile up: the next request has to wait until some have left.
    private var hasManyAnswersWaiting: Bool {
        writer.queue.count > coordinator.settings.limits.waitingAnswerByteCount
    }

    private func headReceived(_ head: RequestHead, rest: inout ByteView) {
        switch service.decide(on: head, from: self) {
        case .proceed:
            if head.expectsContinue {
                ResponseEncoder.continue(into: &writer.queue)
                connection.requestFlush()
            }
            state = .readingBody(head, since: now)
        case .refuse(let error):
            respond(with: error, headOnly: head.method == .head)
        case .upgrade(let upgrade):
            switchProtocols(upgrade, rest: rest)
            rest = .empty
        }
    }

    private func bodyReceived(_ piece: ByteView) {
        if body.append(piece) { return }
        refuse(.tooManyBodies)
    }

    private func requestReceived() {
        guard case .readingBody(let head, _) = state else { return }
        state = .answering(
            Answer(isHEAD: head.method == .head, keepsAlive: head.keepsAlive, version: head.version))
        service.handle(head, body: body.take(), exchange: self)
    }

    /// The answer is complete: go on with what came meanwhile.
    private func answerFinished(keepsAlive: Bool) {
        owner = nil
        connection.requestFlush()
        guard keepsAlive, !coordinator.isDraining else {
            linger()
            return
        }
        state = .betweenRequests(since: now)
        if !isDecoding { decodeNext() }
    }

    private func decodeNext() {
        if hasManyAnswersWaiting { return updateDeadline() }
        if readingIsPaused {
            readingIsPaused = false
            connection.resumeReading()
        }
        guard !pipelined.isEmpty else {
            updateDeadline()
            return
        }
        var waiting = ByteQueue()
        swap(&waiting, &pipelined)
        decode(waiting.view)
    }

    private func linger() {
        state = .lingering(until: nil)
        owner = nil
        pipelined.removeAll()
        body.removeAll()
        if readingIsPaused {
            readingIsPaused = false
            connection.resumeReading()
        }
        connection.requestFlush()
        updateDeadline()
    }

    private func switchProtocols(_ upgrade: any ConnectionUpgrade, rest: ByteView) {
        upgrade.appendResponse(to: &writer.queue)
        writer.flush(now: now)
        guard writer.isDrained else {
            // A socket that cannot take 200 bytes right after the connection was made is not worth keeping.
            connection.close()
            return
        }
        state = .over
        connection.setDeadline(nil)
        coordinator.httpConnectionEnded(self)
        let handler = upgrade.makeHandler(connection, writeHalf: writer.takeWriteHalf())
        connection.handler = handler
        guard !rest.isEmpty else { return }
        var first = ByteQueue()
        first.append(rest)
        if let view = first.mutableView { handler.received(view) }
    }

    // MARK: Answers

    /// Answers the request in hand with a whole body.
    func respond(status: Int, fields: ResponseFields, body: ByteView) {
        guard case .answering(let answer) = state, case .pending = answer.phase else { return }
        let keepsAlive = answer.keepsAlive && !coordinator.isDraining
        ResponseEncoder.head(
            status: status, fields: fields, framing: .length(body.count), keepsAlive: keepsAlive,
            version: answer.version, date: coordinator.httpDate, into: &writer.queue)
        if !answer.isHEAD { writer.queue.append(body) }
        answerFinished(keepsAlive: keepsAlive)
    }

    func respond(with error: APIError) {
        coordinator.metrics.httpRefusals[error.status, default: 0] += 1
        var body = ByteQueue()
        error.appendBody(to: &body)
        respond(status: error.status, fields: error.fields, body: body.view)
    }

    /// Refuses whatever is being read, and closes.
    private func refuse(_ error: APIError) { respond(with: error, headOnly: false) }

    private func respond(with error: APIError, headOnly: Bool) {
        state = .answering(Answer(isHEAD: headOnly, keepsAlive: false, version: .http11))
        respond(with: error)
    }

    /// Begins an answer whose length is not known.
    func beginStream(status: Int, fields: ResponseFields) {
        guard case .answering(var answer) = state, case .pending = answer.phase else { return }
        let framing = ResponseFraming.streaming(to: answer.version)
        if framing == .untilClose { answer.keepsAlive = false }
        answer.phase = .streaming(framing)
        state = .answering(answer)
        ResponseEncoder.head(
            status: status, fields: fields, framing: framing, keepsAlive: answer.keepsAlive && !coordinator.isDraining,
            version: answer.version, date: coordinator.httpDate, into: &writer.queue)
        connection.requestFlush()
    }

    /// Adds to a stream that was begun. The hot path: one copy, from the provider's frame to the buyer's queue.
    @inline(__always)
    func stream(_ data: ByteView) {
        guard case .answering(let answer) = state, case .streaming(let framing) = answer.phase else { return }
        if case .chunked = framing {
            ResponseEncoder.chunk(data, into: &writer.queue)
        } else {
            writer.queue.append(data)
        }
        connection.requestFlush()
    }

    func endStream() {
        guard case .answering(let answer) = state, case .streaming(let framing) = answer.phase else { return }
        if case .chunked = framing { ResponseEncoder.lastChunk(into: &writer.queue) }
        answerFinished(keepsAlive: answer.keepsAlive)
    }

    /// Ends the connection without finishing the answer, so that the peer sees it was cut.
    func abort() {
        owner = nil
        connection.close()
    }

    // MARK: Driver

    func flush() {
        writer.flush(now: now)
        outputMoved()
    }

    func writeCompleted() {
        writer.writeCompleted(now: now)
        outputMoved()
    }

    private func outputMoved() {
        switch state {
        case .lingering(let until):
            if writer.isDrained, until == nil {
                connection.finishWriting()
                state = .lingering(until: now + coordinator.settings.timeouts.linger)
            }
            updateDeadline()
        case .betweenRequests where !pipelined.isEmpty: decodeNext()
        case .betweenRequests where writer.isDrained:
            state = .betweenRequests(since: now)
            updateDeadline()
        case .leaving where writer.isDrained: connection.close()
        case .betweenRequests, .readingHead, .readingBody, .answering, .leaving, .over:
            if writer.deadline != nil { updateDeadline() }
        }
    }

    func peerFinished() {
        guard !isOver else { return }
        let abandoned = owner
        owner = nil
        state = .leaving
        body.removeAll()
        pipelined.removeAll()
        abandoned?.exchangeAbandoned()
        if writer.isDrained { connection.close() } else { connection.requestFlush() }
    }

    private var isOver: Bool {
        if case .over = state { return true }
        return false
    }

    func closed(_ end: ConnectionEnd) {
        state = .over
        writer.close()
        body.removeAll()
        let abandoned = owner
        owner = nil
        abandoned?.exchangeAbandoned()
        coordinator.httpConnectionEnded(self)
    }

    // MARK: Time

    private var inputDeadline: MonotonicInstant? {
        let timeouts = coordinator.settings.timeouts
        switch state {
        // A buyer who still reads the last answer is not idle.
        case .betweenRequests(let since): return writer.isDrained ? since + timeouts.idle : nil
        case .readingHead(let since): return since + timeouts.head
        case .readingBody(_, let since):
            let earned = Duration.seconds(body.count / max(1, timeouts.bodyBytesPerSecond))
            return since + timeouts.body + earned
        case .lingering(let until): return until
        case .answering, .leaving, .over: return nil
        }
    }

    private func updateDeadline() {
        if isOver { return }
        connection.setDeadline(earliest(inputDeadline, writer.deadline))
    }

    func deadlineReached() {
        if let deadline = writer.deadline, deadline <= now {
            coordinator.metrics.buyerWriteDeadlineDrops += 1
            connection.close()
            return
        }
        guard let deadline = inputDeadline, deadline <= now else {
            updateDeadline()
            return
        }
        switch state {
        case .betweenRequests, .lingering: connection.close()
        case .readingHead, .readingBody:
            refuse(APIError(408, .invalidRequest, "request_timeout", "The request did not arrive in time."))
        case .answering, .leaving, .over: break
        }
    }

    /// The coordinator drains: an idle connection closes now, a busy one after its answer.
    func drainStarted() {
        if case .betweenRequests = state { linger() }
    }
}

extension APIError {
    /// Header fields that go with the error object.
    var fields: ResponseFields {
        var fields = ResponseFields()
        fields.append("Content-Type", "application/json")
        if let retryAfterSeconds { fields.append("Retry-After", String(retryAfterSeconds)) }
        if status == 401 { fields.append("WWW-Authenticate", "Bearer") }
        return fields
    }
}
