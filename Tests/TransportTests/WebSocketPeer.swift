import Environment
import Primitives
import Testing
import WebSocketCodec

/// One side of a WebSocket without its handshake: decoder, writer and the rules that tie them to a connection.
final class WebSocketPeer: ConnectionHandler {
    let connection: any Connection
    private let environment: any Environment
    private var decoder: FrameDecoder
    private var writer: FrameWriter

    var onText: (WebSocketPeer, ByteView) -> Void = { _, _ in }
    var onPong: (WebSocketPeer, ByteView) -> Void = { _, _ in }
    /// The writer has room: what waits to be sent goes in here.
    var onRoom: (WebSocketPeer) -> Void = { _ in }
    var onEnd: (String) -> Void = { _ in }
    private var ending = ""

    init(
        _ role: WebSocketRole, _ connection: any Connection, _ writeHalf: consuming WriteHalf,
        writeTimeout: Duration, on environment: any Environment
    ) {
        self.connection = connection
        self.environment = environment
        decoder = FrameDecoder(role: role, maxMessageByteCount: 1 << 20)
        var limits = FrameWriter.Limits()
        limits.writeTimeout = writeTimeout
        writer = FrameWriter(role: role, limits: limits, writeHalf: writeHalf, maskSeed: 42)
        connection.handler = self
    }

    /// False when 64 messages wait.
    func send(_ text: String) -> Bool {
        do throws(FrameWriter.Refusal) {
            try writer.queueText(estimatedByteCount: text.utf8.count) { $0.append(text) }
            connection.requestFlush()
            return true
        } catch {
            return false
        }
    }

    func ping(_ payload: String) {
        #expect(throws: Never.self) { try withByteView(payload) { try writer.queuePing($0) } }
        connection.requestFlush()
    }

    func received(_ bytes: MutableByteView) {
        var rest = bytes
        do throws(WebSocketError) {
            while let event = try decoder.next(&rest) {
                switch event {
                case .text(let text): onText(self, text)
                case .ping(let payload): try pong(payload)
                case .pong(let payload): onPong(self, payload)
                case .binary: throw WebSocketError(code: .unsupportedData, reason: "binary")
                case .close:
                    writer.queueClose(nil)
                    follow(writer.closeReceived(now: environment.now))
                    connection.requestFlush()
                }
            }
        } catch {
            ending = "\(error)"
            connection.close()
        }
    }

    private func pong(_ payload: ByteView) throws(WebSocketError) {
        do throws(FrameWriter.Refusal) {
            try writer.queuePong(payload)
            connection.requestFlush()
        } catch {
            throw WebSocketError(code: .policyViolation, reason: "too many pings")
        }
    }

    private func follow(_ progress: FrameWriter.Progress) {
        if case .finished(let reason) = progress {
            ending = "\(reason)"
            connection.close()
        } else {
            connection.setDeadline(writer.nextDeadline)
        }
    }

    func peerFinished() { connection.close() }
    func flush() {
        onRoom(self)
        follow(writer.flush(now: environment.now))
    }
    func writeCompleted() {
        follow(writer.writeCompleted(now: environment.now))
        connection.requestFlush()
    }
    func deadlineReached() { follow(writer.deadlineReached(now: environment.now)) }
    func closed(_ end: ConnectionEnd) { onEnd(ending.isEmpty ? "\(end)" : ending) }
}

/// Makes a ``WebSocketPeer`` for what is accepted or dialed.
final class WebSocketPeers: ConnectionAcceptor, DialTarget {
    private let role: WebSocketRole
    private let writeTimeout: Duration
    private let environment: any Environment
    private let setUp: (WebSocketPeer) -> Void

    init(
        _ role: WebSocketRole, writeTimeout: Duration = .seconds(60), on environment: any Environment,
        _ setUp: @escaping (WebSocketPeer) -> Void
    ) {
        self.role = role
        self.writeTimeout = writeTimeout
        self.environment = environment
        self.setUp = setUp
    }

    func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        setUp(WebSocketPeer(role, connection, writeHalf, writeTimeout: writeTimeout, on: environment))
    }
    func dialed(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        accepted(connection, writeHalf: writeHalf)
    }
    func dialFailed(_ error: DialError) { Issue.record(error) }
}
