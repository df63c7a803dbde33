import Environment
import HTTPCodec
import Primitives
import Transport

/// An HTTP server on the test's own loop that answers as the test says, piece by piece.
final class TinyHTTPServer: ConnectionAcceptor {
    var respond: (Exchange) -> Void = { $0.answer(404, "") }
    private(set) var exchanges: [Exchange] = []
    private(set) var connectionCount = 0

    /// One request and the way to answer it.
    final class Exchange {
        let method: HTTPMethod
        let path: String
        let fields: [String: String]
        let body: String
        private(set) var isClosed = false
        var onClosed: (() -> Void)?
        let connection: ServerConnection

        fileprivate init(_ head: RequestHead, body: String, connection: ServerConnection) {
            method = head.method
            path = head.path
            var fields: [String: String] = [:]
            for name in ["Authorization", "Content-Type", "Accept", "Expect"] as [StaticString] {
                fields[name.description] = head.field(name)
            }
            self.fields = fields
            self.body = body
            self.connection = connection
        }

        func answer(_ status: Int, _ body: String, type: StaticString = "application/json") {
            head(status, type, .length(body.utf8.count))
            connection.send { $0.append(body) }
        }

        func startEvents() { head(200, "text/event-stream", .chunked) }
        func event(_ text: String) {
            connection.send { queue in withByteView(text) { ResponseEncoder.chunk($0, into: &queue) } }
        }
        func endEvents() { connection.send { ResponseEncoder.lastChunk(into: &$0) } }

        func head(_ status: Int, _ type: StaticString, _ framing: ResponseFraming) {
            var fields = ResponseFields()
            fields.append("Content-Type", type)
            connection.send {
                ResponseEncoder.head(
                    status: status, fields: fields, framing: framing, keepsAlive: true, date: nil, into: &$0)
            }
        }

        func drop() { connection.connection.close() }

        /// What waits for the client to read.
        var waitingByteCount: Int { connection.outgoing.count }

        fileprivate func closed() {
            isClosed = true
            onClosed?()
        }
    }

    func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        connectionCount += 1
        connection.handler = ServerConnection(server: self, connection, writeHalf)
    }

    /// Lets go of what holds the server in turn: the world behind the answers, and the connections that came.
    func forget() {
        respond = { _ in }
        exchanges = []
    }

    fileprivate func requested(_ exchange: Exchange) {
        exchanges.append(exchange)
        respond(exchange)
    }

    final class ServerConnection: ConnectionHandler {
        let connection: any Connection
        var outgoing = ByteQueue()
        private unowned let server: TinyHTTPServer
        private let writeHalf: WriteHalf
        private var decoder = RequestDecoder(limits: HTTPLimits())
        private var head: RequestHead?
        private var body = ByteQueue()
        private var isInFlight = false
        private var current: Exchange?

        init(server: TinyHTTPServer, _ connection: any Connection, _ writeHalf: consuming WriteHalf) {
            self.server = server
            self.connection = connection
            self.writeHalf = writeHalf
        }

        func send(_ write: (inout ByteQueue) -> Void) {
            write(&outgoing)
            connection.requestFlush()
        }

        func received(_ bytes: MutableByteView) {
            var input = bytes.readOnly
            while let event = try? decoder.next(&input) {
                switch event {
                case .head(let head): self.head = head
                case .body(let piece): body.append(piece)
                case .end:
                    guard let head else { return }
                    let exchange = Exchange(head, body: body.view.string, connection: self)
                    body.removeAll()
                    current = exchange
                    server.requested(exchange)
                }
            }
        }

        /// What was sent leaves, and then FIN, whatever was promised.
        func finish() {
            flush()
            connection.finishWriting()
        }

        func peerFinished() { connection.close() }

        func flush() {
            while !isInFlight && !outgoing.isEmpty {
                let batch = outgoing.view.prefix(WriteHalf.batchByteCount)
                let outcome = writeHalf.write(batch)
                outgoing.consume(batch.count)
                isInFlight = outcome == .inFlight
                if outcome == .closed { return }
            }
        }

        func writeCompleted() {
            isInFlight = false
            flush()
        }

        func deadlineReached() {}
        func closed(_ end: ConnectionEnd) {
            let last = current
            current = nil
            last?.closed()
        }
    }
}
