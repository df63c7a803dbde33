package import Environment
import JSON
package import Primitives

/// A provider in the simulation. It speaks protocol v1 with code of its own: frames through ``RawFrame`` and
/// ``RawFrameReader``, messages as text. What it does with a request is the test's affair (``onRequest``).
package final class SimulatedProvider: ConnectionHandler {
    /// An `inference_request` that has come.
    package struct Request {
        package var id: String
        package var stream: Bool
        package var body: String
    }

    package enum Phase: Equatable { case upgrading, greeting, live, closed }

    package let id: String
    package private(set) var phase = Phase.upgrading
    package private(set) var assignedID: String?
    package private(set) var requests: [Request] = []
    /// Ids of `cancel_request`, with their reasons.
    package private(set) var cancelled: [(id: String, reason: String)] = []
    /// Types of all messages that came.
    package private(set) var messageTypes: [String] = []
    package private(set) var pongs: [[UInt8]] = []
    package private(set) var pingCount = 0
    package private(set) var close: (code: UInt16?, reason: String)?
    package private(set) var end: ConnectionEnd?
    package private(set) var httpResponse: PlainResponseReader.Response?
    /// What broke the framing rules, if anything did: the writer rule is judged here, on raw bytes.
    package private(set) var frameFault: String?

    /// Every message that comes, as it is: for those who speak version 2.
    package var onMessage: ((SimulatedProvider, String) -> Void)?
    package var onRequest: ((SimulatedProvider, Request) -> Void)?
    package var onCancel: ((SimulatedProvider, String) -> Void)?
    package var onPreflight: ((SimulatedProvider, String) -> Void)?
    /// Request ids of the preflights that came.
    package private(set) var preflights: [String] = []
    package var answersPings = true
    /// Echoes a Close that it is sent.
    package var answersClose = true

    package private(set) var near: SimulatedConnection!
    package private(set) var far: SimulatedConnection!

    private let hello: String
    private let parser = JSONParser()
    private var upgradeReader = PlainResponseReader()
    private var frames = RawFrameReader(expectsMask: false)
    private var writeHalf = WriteHalf.none
    private var waiting = ByteQueue()
    private var isInFlight = false

    package init(
        _ environment: SimulatedEnvironment, to acceptor: any ConnectionAcceptor, id: String = "m1",
        model: String = "test-model", slots: Int = 4, context: Int = 8192, throughput: Double = 20,
        parameters: Double = 7, hello: String? = nil, fields: String = "", sendsUpgrade: Bool = true
    ) {
        self.id = id
        self.hello =
            hello
            ?? Self.hello(
                id: id, model: model, slots: slots, context: context, throughput: throughput, parameters: parameters)
        let pair = environment.connect(to: acceptor) { connection, writeHalf in
            self.writeHalf = writeHalf
            connection.handler = self
        }
        near = pair.near
        far = pair.far
        if sendsUpgrade {
            sendRaw(
                Array(
                    ("GET /ws/provider HTTP/1.1\r\nHost: pool.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\(fields)\r\n")
                        .utf8))
        }
    }

    package static func hello(
        id: String, model: String = "test-model", slots: Int = 4, context: Int = 8192, throughput: Double = 20,
        parameters: Double = 7
    ) -> String {
        "{\"type\":\"hello\",\"version\":1,\"tier\":1,\"provider_id\":\"\(id)\",\"hostname\":\"host.test\","
            + "\"model_id\":\"\(model)\",\"model_params_b\":\(parameters),\"ram_gb\":16,\"max_context_tokens\":\(context),"
            + "\"max_concurrency\":\(slots),\"throughput_tps_estimate\":\(throughput),\"binary_version\":\"1.2.0\","
            + "\"attestation\":null,\"endpoint_url\":null}"
    }

    package var isLive: Bool { phase == .live }

    // MARK: Sending

    package func sendRaw(_ bytes: [UInt8]) {
        waiting.append(bytes)
        near.requestFlush()
    }

    package func sendText(_ text: String) {
        sendRaw(RawFrame(opcode: RawFrame.text, isMasked: true, payload: Array(text.utf8)).encoded())
    }

    package func sendPing(_ payload: [UInt8]) {
        sendRaw(RawFrame(opcode: RawFrame.ping, isMasked: true, payload: payload).encoded())
    }

    package func sendClose(_ code: UInt16) {
        sendRaw(
            RawFrame(opcode: RawFrame.close, isMasked: true, payload: [UInt8(code >> 8), UInt8(code & 0xFF)]).encoded())
    }

    package func sendChunk(_ request: String, seq: Int, data: String) {
        sendText(
            "{\"type\":\"inference_response_chunk\",\"request_id\":\"\(request)\",\"seq\":\(seq),\"data\":\(Self.quoted(data))}"
        )
    }

    package func sendEnd(_ request: String, status: String = "complete", chunks: Int = 0) {
        sendText(
            "{\"type\":\"inference_response_end\",\"request_id\":\"\(request)\",\"status\":\"\(status)\",\"chunks_sent\":\(chunks),"
                + "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":\(chunks),\"total_tokens\":\(chunks + 3)}}")
    }

    package func sendPreflightAck(_ request: String, accepted: Bool) {
        sendText(
            "{\"type\":\"preflight_ack\",\"request_id\":\"\(request)\",\"accepted\":\(accepted),"
                + (accepted ? "\"estimated_wait_ms\":0}" : "\"reason\":\"context_exceeds_capacity\"}"))
    }

    package func sendHeartbeat(status: String = "ready", free: Int = 4, total: Int = 4, model: String = "test-model") {
        sendText(
            "{\"type\":\"heartbeat\",\"status\":\"\(status)\",\"model_id\":\"\(model)\",\"model_params_b\":7,\"ram_gb\":16,"
                + "\"max_context_tokens\":8192,\"max_concurrency\":\(total),\"slots_free\":\(free),\"slots_total\":\(total),"
                + "\"throughput_tps_estimate\":20,\"requests_served_since_last\":0,\"avg_latency_ms_since_last\":null,"
                + "\"throughput_tps_since_last\":null}")
    }

    /// Sends `count` events and the end, all at once.
    package func answer(_ request: Request, chunks count: Int = 3) {
        if request.stream {
            for seq in 0..<count { sendChunk(request.id, seq: seq, data: Self.event(request.id, seq)) }
            sendEnd(request.id, chunks: count)
        } else {
            sendChunk(request.id, seq: 0, data: "{\"id\":\"\(request.id)\"}")
            sendEnd(request.id, chunks: 1)
        }
    }

    /// An event that names its request and place, so that a test can tell whose it is.
    package static func event(_ request: String, _ seq: Int) -> String {
        "data: {\"r\":\"\(request)\",\"n\":\(seq)}\n\n"
    }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    // MARK: Receiving

    package func received(_ bytes: MutableByteView) {
        let bytes = bytes.readOnly.array
        if phase == .upgrading { upgradeReceived(bytes) } else { framesReceived(bytes) }
    }

    private func upgradeReceived(_ bytes: [UInt8]) {
        upgradeReader.feed(bytes)
        guard let response = upgradeReader.responses.first else { return }
        httpResponse = response
        guard response.status == 101 else { return }
        phase = .greeting
        if !hello.isEmpty { sendText(hello) }
        framesReceived(upgradeReader.takeRest())
    }

    private func framesReceived(_ bytes: [UInt8]) {
        frames.append(bytes)
        do {
            while let frame = try frames.next() { received(frame) }
        } catch {
            frameFault = frameFault ?? "\(error)"
        }
    }

    private func received(_ frame: RawFrame) {
        switch frame.opcode {
        case RawFrame.text: received(message: frame.payloadText)
        case RawFrame.ping:
            pingCount += 1
            if answersPings {
                sendRaw(RawFrame(opcode: RawFrame.pong, isMasked: true, payload: frame.payload).encoded())
            }
        case RawFrame.pong: pongs.append(frame.payload)
        case RawFrame.close:
            close = (frame.closeCode, frame.closeReason)
            phase = .closed
            if answersClose { sendClose(frame.closeCode ?? 1000) }
        default: frameFault = frameFault ?? "opcode \(frame.opcode)"
        }
    }

    private func received(message text: String) {
        do {
            let root = try withByteView(text) { try parser.parse(copying: $0) }
            let type = root["type"]?.string?.string ?? ""
            messageTypes.append(type)
            onMessage?(self, text)
            let requestID = root["request_id"]?.string?.string ?? ""
            switch type {
            case "hello_ack":
                assignedID = root["assigned_id"]?.string?.string
                phase = .live
            case "auth_response":
                guard root["status"]?.string?.string == "accepted" else { break }
                assignedID = root["assigned_id"]?.string?.string
                phase = .live
            case "inference_request":
                let request = Request(
                    id: requestID, stream: root["stream"]?.bool ?? false, body: root["body"]?.string?.string ?? "")
                requests.append(request)
                if root["enc"] == nil { onRequest?(self, request) }
            case "preflight":
                preflights.append(requestID)
                onPreflight?(self, requestID)
            case "cancel_request":
                cancelled.append((requestID, root["reason"]?.string?.string ?? ""))
                onCancel?(self, requestID)
            default: break
            }
        } catch {
            frameFault = frameFault ?? "not JSON: \(text.prefix(80))"
        }
    }

    // MARK: Connection

    package func peerFinished() { near.close() }

    package func flush() {
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

    package func writeCompleted() {
        isInFlight = false
        flush()
    }

    package func deadlineReached() {}

    package func closed(_ end: ConnectionEnd) {
        self.end = end
        phase = .closed
    }
}
