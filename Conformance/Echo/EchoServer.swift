import Environment
import HTTPCodec
import Primitives
import WebSocketCodec

/// Accepts every WebSocket, whatever its path.
final class EchoServer: ConnectionAcceptor {
    private let environment: any Environment

    init(on environment: any Environment) { self.environment = environment }

    func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        connection.handler = ServerHandshake(connection, writeHalf, on: environment)
    }
}

/// Reads the upgrade request, answers it and makes way for an ``EchoConnection``.
private final class ServerHandshake: ConnectionHandler {
    private let connection: any Connection
    private let environment: any Environment
    private var decoder = RequestDecoder(limits: HTTPLimits())
    /// Until the handshake is done.
    private var writeHalf: WriteHalf?

    init(_ connection: any Connection, _ writeHalf: consuming WriteHalf, on environment: any Environment) {
        self.connection = connection
        self.environment = environment
        self.writeHalf = consume writeHalf
    }

    func received(_ bytes: MutableByteView) {
        var input = bytes.readOnly
        do throws(HTTPError) {
            guard case .head(let head) = try decoder.next(&input) else { return }
            guard case .success(let acceptKey) = WebSocketHandshake.accept(head) else { return connection.close() }
            switchProtocols(acceptKey, rest: bytes.dropFirst(bytes.count - input.count))
        } catch {
            connection.close()
        }
    }

    private func switchProtocols(_ acceptKey: String, rest: MutableByteView) {
        guard let writeHalf = writeHalf.take() else { return }
        var response = ByteQueue()
        WebSocketHandshake.writeSwitchingProtocols(acceptKey: acceptKey, into: &response)
        guard writeHalf.write(response.view) == .written else { return connection.close() }
        let echo = EchoConnection(.server, connection, writeHalf, on: environment)
        connection.handler = echo
        if !rest.isEmpty { echo.received(rest) }
    }

    func peerFinished() { connection.close() }
    func flush() {}
    func writeCompleted() {}
    func deadlineReached() {}
    func closed(_ end: ConnectionEnd) {}
}
