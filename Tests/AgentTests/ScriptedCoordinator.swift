import Environment
import HTTPCodec
import JSON
import Primitives
import ProviderProtocol
import TestKit
import Testing
import WebSocketCodec

/// The other side of an agent's session, played by the test: accepts the upgrade, keeps what the agent says, and says
/// what it is told to.
final class ScriptedCoordinator: ConnectionAcceptor, ConnectionHandler {
    /// One message of the agent's.
    struct Heard {
        var type: String
        var text: String

        /// A member as text, whatever its kind; `a.b` reaches into an object. Nil when it is not there.
        func callAsFunction(_ path: String) -> String? {
            let parser = JSONParser()
            return withExtendedLifetime(parser) {
                withByteView(text) { bytes in
                    guard var value = try? parser.parse(copying: bytes) else { return nil }
                    for name in path.split(separator: ".") {
                        let member = withByteView(String(name)) { name in value.members.first { $0.key == name }?.value
                        }
                        guard let member else { return nil }
                        value = member
                    }
                    if let text = value.string { return text.string }
                    if let number = value.int { return String(number) }
                    if let number = value.double { return String(number) }
                    if let flag = value.bool { return String(flag) }
                    return value.isNull ? "null" : "…"
                }
            }
        }
    }

    enum Greeting {
        /// `hello` draws a `hello_ack`.
        case accept
        /// The upgrade is done, and then nothing comes.
        case silence
        /// The upgrade is answered with this status.
        case refuse(status: Int)
        /// `hello` draws a Close.
        case close(CloseCode, String)
    }

    var greeting = Greeting.accept
    var heartbeatInterval = 30
    private(set) var upgradeRequests: [String] = []
    private(set) var heard: [Heard] = []
    private(set) var closes: [(code: UInt16?, reason: String)] = []
    private(set) var ends: [ConnectionEnd] = []
    private(set) var pingCount = 0
    /// When connections came.
    private(set) var connectedAt: [MonotonicInstant] = []
    /// The newest connection's ends.
    private(set) var near: SimulatedConnection?
    private(set) var far: SimulatedConnection?
    /// Changes the behaviour of each new connection.
    var prepare: ((_ near: SimulatedConnection, _ far: SimulatedConnection) -> Void)?

    private let environment: SimulatedEnvironment
    private let parser = JSONParser()
    private var requests = RequestDecoder(limits: HTTPLimits())
    private var frames = FrameDecoder(role: .server, maxMessageByteCount: 4 * 1024 * 1024)
    private var writeHalf: WriteHalf?
    private var writer: FrameWriter?

    init(_ environment: SimulatedEnvironment) { self.environment = environment }

    func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        connection.handler = self
        self.writeHalf = consume writeHalf
        writer = nil
        requests = RequestDecoder(limits: HTTPLimits())
        frames = FrameDecoder(role: .server, maxMessageByteCount: 4 * 1024 * 1024)
        connectedAt.append(environment.now)
    }

    func joined(_ near: SimulatedConnection, _ far: SimulatedConnection) {
        self.near = near
        self.far = far
        prepare?(near, far)
    }

    // MARK: What the agent said

    func heard(_ type: String) -> [Heard] { heard.filter { $0.type == type } }
    /// The data of a request's chunks, in the order in which they came; fails if their numbers do not run from 0.
    func chunks(_ requestID: String) -> [String] {
        let chunks = heard("inference_response_chunk").filter { $0("request_id") == requestID }
        for (index, chunk) in chunks.enumerated() { #expect(chunk("seq") == String(index)) }
        return chunks.map { $0("data") ?? "" }
    }
    func end(_ requestID: String) -> Heard? {
        let ends = heard("inference_response_end").filter { $0("request_id") == requestID }
        #expect(ends.count <= 1)
        return ends.first
    }
    func forget() { heard = [] }

    // MARK: What it is told

    func say(_ text: String) {
        withByteView(text) { bytes in try? writer?.queueText(estimatedByteCount: bytes.count) { $0.append(bytes) } }
        far?.requestFlush()
        environment.flushDirty()
    }

    func infer(_ requestID: String, stream: Bool = true, body: String = "{}") {
        var queue = ByteQueue()
        withByteView(requestID) { id in
            withByteView(body) { InferenceRequest(requestID: id, stream: stream, body: $0).append(to: &queue) }
        }
        say(queue.view.string)
    }

    func cancel(_ requestID: String) {
        say(#"{"type":"cancel_request","request_id":"\#(requestID)","reason":"buyer_disconnected"}"#)
    }

    func ping(_ payload: String) {
        withByteView(payload) { try? writer?.queuePing($0) }
        far?.requestFlush()
        environment.flushDirty()
    }

    func close(_ code: CloseCode, _ reason: String) {
        writer?.queueClose(code, reason: reason)
        far?.requestFlush()
        environment.flushDirty()
    }

    /// Bytes past all rules: this side has no writer after it.
    func rawBytes(_ bytes: [UInt8]) { withByteView(bytes) { _ = far?.write($0) } }

    // MARK: ConnectionHandler

    func received(_ bytes: MutableByteView) {
        var bytes = bytes
        if writer == nil {
            var input = bytes.readOnly
            guard case .head(let head)? = try? requests.next(&input) else { return }
            bytes = bytes.dropFirst(bytes.count - input.count)
            upgrade(head)
        }
        while let event = try? frames.next(&bytes) { handle(event) }
    }

    private func upgrade(_ head: RequestHead) {
        upgradeRequests.append("\(head.path) \(head.field("Host") ?? "") \(head.field("Authorization") ?? "")")
        var answer = ByteQueue()
        guard let half = writeHalf.take() else { return }
        if case .refuse(let status) = greeting {
            answer.append("HTTP/1.1 \(status) No\r\nContent-Length: 0\r\n\r\n")
            _ = half.write(answer.view)
            return
        }
        guard case .success(let key) = WebSocketHandshake.accept(head) else {
            Issue.record("the agent's upgrade request is not one")
            return
        }
        WebSocketHandshake.writeSwitchingProtocols(acceptKey: key, into: &answer)
        _ = half.write(answer.view)
        writer = FrameWriter(role: .server, limits: FrameWriter.Limits(), writeHalf: half)
    }

    private func handle(_ event: WebSocketEvent) {
        switch event {
        case .text(let text):
            let type = (try? parser.parse(text))?["type"]?.string?.string ?? "?"
            heard.append(Heard(type: type, text: text.string))
            if type == "hello" { greet() }
            // It knows version 1 only.
            if type == "auth_request" { close(.unrecognizedAuthMessage, "unrecognized auth message") }
        case .ping(let payload):
            pingCount += 1
            try? writer?.queuePong(payload)
            far?.requestFlush()
        case .close(let code, let reason):
            closes.append((code?.rawValue, reason.string))
            writer?.queueClose(code)
            if writer?.closeReceived(now: environment.now) != .continue { far?.close() }
            far?.requestFlush()
        case .pong(let payload):
            heard.append(Heard(type: "PONG", text: payload.string))
        case .binary:
            Issue.record("the agent sent a binary message")
        }
    }

    private func greet() {
        switch greeting {
        case .accept:
            say(
                #"{"type":"hello_ack","coordinator_version":1,"assigned_id":"0191","heartbeat_interval_s":"#
                    + #"\#(heartbeatInterval),"tier":"provisional"}"#)
        case .close(let code, let reason): close(code, reason)
        case .silence, .refuse: break
        }
    }

    func peerFinished() { far?.close() }
    func flush() { if writer?.flush(now: environment.now) != .continue { far?.close() } }
    func writeCompleted() { if writer?.writeCompleted(now: environment.now) != .continue { far?.close() } }
    func deadlineReached() {}
    func closed(_ end: ConnectionEnd) {
        ends.append(end)
        // The rule of the writer is the agent's to keep as well.
        #expect(near?.ruleViolation == nil)
    }
}
