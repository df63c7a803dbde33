package import Environment
package import Primitives

/// A buyer in the simulation: one connection, requests written as bytes, answers read with ``PlainResponseReader``.
package final class SimulatedBuyer: ConnectionHandler {
    package private(set) var reader = PlainResponseReader()
    package private(set) var end: ConnectionEnd?
    package private(set) var peerHasFinished = false
    package private(set) var near: SimulatedConnection!
    package private(set) var far: SimulatedConnection!
    /// Every byte that came, in order.
    package private(set) var received: [UInt8] = []

    private var writeHalf = WriteHalf.none
    private var waiting = ByteQueue()
    private var isInFlight = false

    package init(_ environment: SimulatedEnvironment, to acceptor: any ConnectionAcceptor) {
        let pair = environment.connect(to: acceptor) { connection, writeHalf in
            self.writeHalf = writeHalf
            connection.handler = self
        }
        near = pair.near
        far = pair.far
    }

    package var responses: [PlainResponseReader.Response] { reader.responses }
    /// The last answer, complete or not.
    package var latest: PlainResponseReader.Response? { reader.partial ?? reader.responses.last }
    package var isOver: Bool { end != nil }

    package func send(_ text: String) {
        waiting.append(text)
        near.requestFlush()
    }

    /// `POST /v1/chat/completions` with a minimal body.
    package func complete(
        model: String, stream: Bool, content: String = "hello", fields: String = "", extra: String = ""
    ) {
        let body =
            "{\"model\":\"\(model)\",\"stream\":\(stream),\"messages\":[{\"role\":\"user\",\"content\":\"\(content)\"}]\(extra)}"
        post(body, fields: fields)
    }

    package func post(_ body: String, fields: String = "") {
        send(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: trunkline.test\r\nContent-Type: application/json\r\n\(fields)"
                + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    package func get(_ path: String, fields: String = "") {
        send("GET \(path) HTTP/1.1\r\nHost: trunkline.test\r\n\(fields)\r\n")
    }

    package func leave() { near.close() }
    package func reset() { near.reset() }

    package func received(_ bytes: MutableByteView) {
        received.append(contentsOf: bytes.readOnly.buffer)
        reader.feed(bytes.readOnly.buffer)
    }

    package func peerFinished() {
        peerHasFinished = true
        reader.connectionEnded()
        near.close()
    }

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
        reader.connectionEnded()
    }
}
