import Environment
import HTTPCodec
import JSON
import Primitives
import ProviderProtocol
import WebSocketCodec

/// One session with a coordinator, seen from the provider: upgrade, greeting, heartbeats, answers, drain, Close.
///
///       upgrading ─101─▶ greeting ─hello_ack─▶ live ─drain─▶ draining
///           │               │                    │               │ nothing in flight
///           └───────────────┴────────────────────┴──────────▶ closing ─▶ ended
///
/// In version 2 a challenge and its proof stand between `upgrading` and `live` (``AgentSession+Encryption``).
/// ``AgentSession+Messages`` hears the coordinator, ``AgentSession+Answers`` carries what the engine says,
/// ``AgentSession+Drain`` lets it leave in good order.
final class AgentSession: ConnectionHandler {
    enum Stage: Equatable {
        /// The upgrade request was written; its answer is awaited.
        case upgrading
        /// `hello` was queued and `hello_ack` is awaited; or, in version 2, what stands for them.
        case greeting
        case live
        case draining(DrainProgress)
        /// A Close was queued, or the peer's came.
        case closing
        case ended
    }

    let settings: AgentSettings
    let model: String
    let engine: any Engine
    let environment: any Environment
    let connection: any Connection
    let parser = JSONParser()
    let usageScanner = UsageScanner()
    /// Kept until the connection has ended, since the driver may report that after everybody else has let go.
    let owner: any AgentSessionOwner

    /// Whether it greets with version 2.
    let isEncrypted: Bool
    /// Of version 2, until it is accepted; from then on there is the leg.
    var handshake: ProviderHandshake?
    var leg: AgentLeg?
    var stage = Stage.upgrading
    var availability: Availability
    var requests: [String: AgentRequest] = [:]
    var engineIsPaused = false
    /// The first cause stands; what follows from it (a reset after a refusal) says less.
    var cause: SessionEnd?
    var heartbeatInterval = Duration.seconds(30)
    var nextHeartbeat = MonotonicInstant.distantFuture

    /// Held until the upgrade is done; then the writer has it.
    private var writeHalf: WriteHalf?
    var writer: FrameWriter?
    private var upgradeIsInFlight = false
    private let upgradeKey: String
    private let handshakeDeadline: MonotonicInstant
    private var headDecoder = ResponseHeadDecoder(limits: HTTPLimits())
    private var frameDecoder: FrameDecoder
    private var liveness: CoordinatorLiveness

    /// Longest message from a coordinator: a buyer's body of 10 MiB, escaped.
    private static let messageByteCount = 32 * 1024 * 1024

    init(
        settings: AgentSettings, isEncrypted: Bool, model: String, engine: any Engine, availability: Availability,
        environment: any Environment, connection: any Connection, writeHalf: consuming WriteHalf,
        owner: any AgentSessionOwner
    ) {
        self.settings = settings
        self.isEncrypted = isEncrypted
        self.model = model
        self.engine = engine
        self.availability = availability
        self.environment = environment
        self.connection = connection
        self.owner = owner
        let random = environment.randomID()
        upgradeKey = WebSocketHandshake.key(randomHigh: random.high, randomLow: random.low)
        handshakeDeadline = environment.now + settings.handshakeTimeout
        frameDecoder = FrameDecoder(role: .client, maxMessageByteCount: Self.messageByteCount)
        liveness = CoordinatorLiveness(
            pingInterval: settings.pingInterval, pongTimeout: settings.pongTimeout, now: environment.now)
        self.writeHalf = consume writeHalf
        connection.handler = self
        writeUpgrade()
        updateDeadline()
    }

    private func writeUpgrade() {
        var request = ByteQueue()
        var fields = ResponseFields()
        if let token = settings.token { fields.append("Authorization", "Bearer " + token) }
        WebSocketHandshake.writeRequest(
            host: settings.coordinator.hostField, path: settings.coordinator.target, key: upgradeKey, fields: fields,
            into: &request)
        switch writeHalf?.write(request.view) {
        case .inFlight: upgradeIsInFlight = true
        case .written, .closed, nil: break
        }
    }

    // MARK: ConnectionHandler

    func received(_ bytes: MutableByteView) {
        guard stage != .ended else { return }
        var bytes = bytes
        if stage == .upgrading {
            var input = bytes.readOnly
            guard upgradeAnswered(&input) else { return updateDeadline() }
            bytes = bytes.dropFirst(bytes.count - input.count)
        }
        liveness.heard(now: environment.now)
        do {
            while stage != .ended, let event = try frameDecoder.next(&bytes) { handle(event) }
        } catch {
            end(.violated(reason: error.reason.description), code: error.code, reason: error.reason.description)
        }
        updateDeadline()
    }

    func peerFinished() {
        end(.lost(reason: "the coordinator ended the connection without a Close"))
        connection.close()
    }

    func flush() {
        if let progress = writer?.flush(now: environment.now) { follow(progress) }
    }

    func writeCompleted() {
        if upgradeIsInFlight {
            upgradeIsInFlight = false
        } else if let progress = writer?.writeCompleted(now: environment.now) {
            follow(progress)
        }
    }

    func deadlineReached() {
        let now = environment.now
        if let progress = writer?.deadlineReached(now: now) { follow(progress) }
        switch stage {
        case .upgrading, .greeting:
            if now >= handshakeDeadline {
                end(.lost(reason: "no answer within the handshake's time"), code: .goingAway)
            }
        case .live, .draining:
            livenessDeadlineReached(now: now)
            heartbeatDeadlineReached(now: now)
            rekeyDeadlineReached(now: now)
            drainDeadlineReached(now: now)
        case .closing, .ended:
            break
        }
        updateDeadline()
    }

    func closed(_ end: ConnectionEnd) {
        guard stage != .ended else { return }
        let cause: SessionEnd =
            switch end {
            case .closedHere: .stopped
            case .failed(let reason): .lost(reason: reason)
            case .shutdown: .stopped
            }
        abortRequests()
        stage = .ended
        writer = nil
        owner.sessionEnded(self, self.cause ?? cause)
    }

    // MARK: Handshake

    /// Whether the upgrade is done; then `input` holds what came behind it.
    private func upgradeAnswered(_ input: inout ByteView) -> Bool {
        do {
            guard let head = try headDecoder.next(&input) else { return false }
            guard head.status == 101 else {
                return refused(status: head.status, "the coordinator answered \(head.status)")
            }
            try WebSocketHandshake.check(head, key: upgradeKey)
        } catch {
            return refused(status: nil, "the coordinator's answer is no WebSocket upgrade: \(error)")
        }
        guard !upgradeIsInFlight, let half = writeHalf.take() else {
            return refused(status: nil, "the coordinator answered before it was asked")
        }
        var seed: UInt64 = 0
        withUnsafeMutableBytes(of: &seed) { environment.fillRandom($0) }
        writer = FrameWriter(role: .client, limits: settings.writerLimits, writeHalf: half, maskSeed: seed)
        stage = .greeting
        let description = settings.description(model: model, throughput: owner.throughput.tokensPerSecond)
        if isEncrypted {
            greetEncrypted(description)
        } else {
            let hello = ProviderHello(description: description)
            queue { hello.append(to: &$0) }
        }
        return true
    }

    private func refused(status: Int?, _ reason: String) -> Bool {
        end(.refused(status: status, reason: reason))
        return false
    }

    // MARK: Events

    private func handle(_ event: WebSocketEvent) {
        switch event {
        case .text(let text):
            // After a Close was queued nothing can be answered any more.
            if stage != .closing { messageReceived(text) }
        case .binary:
            environment.log(LogRecord(.warn, "binary_message_ignored"))
        case .ping(let payload):
            do throws(FrameWriter.Refusal) {
                try writer?.queuePong(payload)
            } catch {
                if error == .tooManyPongs { end(.violated(reason: "too many PINGs"), code: .policyViolation) }
            }
            connection.requestFlush()
        case .pong:
            break
        case .close(let code, let reason):
            closeReceived(code, reason)
        }
    }

    private func closeReceived(_ code: CloseCode?, _ reason: ByteView) {
        if cause == nil { cause = .closed(code: code?.rawValue, reason: reason.string) }
        abortRequests()
        stage = .closing
        writer?.queueClose(code)
        if let progress = writer?.closeReceived(now: environment.now) { follow(progress) }
        connection.requestFlush()
    }

    // MARK: Ending

    /// Ends the session for `cause`: with a Close where a writer exists, at once where none does.
    func end(_ cause: SessionEnd, code: CloseCode = .normal, reason: String = "") {
        if self.cause == nil { self.cause = cause }
        abortRequests()
        guard stage != .ended else { return }
        guard writer != nil else { return connection.close() }
        stage = .closing
        writer?.queueClose(code, reason: reason)
        connection.requestFlush()
    }

    private func follow(_ progress: FrameWriter.Progress) {
        if case .finished(let ending) = progress {
            if ending == .writeTimedOut, cause == nil { cause = .lost(reason: "the coordinator does not read") }
            connection.close()
        } else {
            resumeEngineIfDrained()
        }
        updateDeadline()
    }

    // MARK: Time

    func updateDeadline() {
        guard stage != .ended else { return }
        var deadline = min(writer?.nextDeadline ?? .distantFuture, leg?.rekeyDeadline ?? .distantFuture)
        switch stage {
        case .upgrading, .greeting: deadline = min(deadline, handshakeDeadline)
        case .live: deadline = min(deadline, liveness.nextDeadline, nextHeartbeat)
        case .draining(let drain): deadline = min(deadline, liveness.nextDeadline, nextHeartbeat, drain.nextReport)
        case .closing, .ended: break
        }
        connection.setDeadline(deadline == .distantFuture ? nil : deadline)
    }

    private func livenessDeadlineReached(now: MonotonicInstant) {
        switch liveness.deadlineReached(now: now) {
        case .none: break
        case .ping:
            // A full queue is no reason to give up: what is in it will draw bytes or a write time-out.
            try? writer?.queuePing(.empty)
            connection.requestFlush()
        case .gone:
            end(.silent, code: .goingAway, reason: "nothing heard")
        }
    }

    // MARK: Writing

    /// Queues one message of this session's own. It is small; if even that finds no room, the session is beyond help.
    func queue(_ body: (inout ByteQueue) -> Void) {
        do throws(FrameWriter.Refusal) {
            try writer?.queueText(estimatedByteCount: 512, body)
            connection.requestFlush()
        } catch {
            if error != .closing { end(.lost(reason: "the coordinator does not read"), code: .goingAway) }
        }
    }
}
