import Environment
import HTTPCodec
import Primitives
import Transport
import WebSocketCodec

/// Goes through the cases of an Autobahn fuzzing server, one connection each: asks how many there are, echoes in every
/// one, and lets the reports be written.
final class EchoClient {
    private enum Step {
        case countingCases
        case running(case: Int, of: Int)
        case updatingReports
    }

    private let environment: ShardEnvironment
    private let endpoint: DialEndpoint
    private let agent: String
    private let finished: (_ failure: String?) -> Void
    private var step = Step.countingCases

    init(
        _ endpoint: DialEndpoint, agent: String, on environment: ShardEnvironment,
        finished: @escaping (_ failure: String?) -> Void
    ) {
        self.environment = environment
        self.endpoint = endpoint
        self.agent = agent
        self.finished = finished
    }

    func start() { dial() }

    private func dial() { environment.dial(endpoint, timeout: .seconds(10), target: self) }

    private var path: String {
        switch step {
        case .countingCases: "/getCaseCount"
        case .running(let number, _): "/runCase?case=\(number)&agent=\(agent)"
        case .updatingReports: "/updateReports?agent=\(agent)"
        }
    }

    private func textReceived(_ text: ByteView) {
        guard let count = Int(text.string), count > 0 else { return }
        // The case itself begins once this connection has ended.
        step = .running(case: 0, of: count)
    }

    private func connectionEnded() {
        switch step {
        case .countingCases: return finished("the server did not say how many cases there are")
        case .running(let number, let count) where number < count: step = .running(case: number + 1, of: count)
        case .running: step = .updatingReports
        case .updatingReports: return finished(nil)
        }
        dial()
    }
}

extension EchoClient: DialTarget {
    func dialed(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        var onText: ((ByteView) -> Void)?
        if case .countingCases = step { onText = { [unowned self] in textReceived($0) } }
        connection.handler = ClientHandshake(
            connection, writeHalf, host: "\(endpoint.host):\(endpoint.port)", path: path, on: environment,
            onText: onText
        ) { [unowned self] in
            // Not inside the call that reports the end.
            environment.soon { self.connectionEnded() }
        }
    }

    func dialFailed(_ error: DialError) { finished("\(error)") }
}

@available(*, unavailable) extension EchoClient: Sendable {}

/// Asks for the upgrade, checks the answer and makes way for an ``EchoConnection``.
private final class ClientHandshake: ConnectionHandler {
    private let connection: any Connection
    private let environment: any Environment
    private let onText: ((ByteView) -> Void)?
    private let onEnd: () -> Void
    private let key: String
    private var decoder = ResponseHeadDecoder(limits: HTTPLimits())
    /// Until the handshake is done.
    private var writeHalf: WriteHalf?

    init(
        _ connection: any Connection, _ writeHalf: consuming WriteHalf, host: String, path: String,
        on environment: any Environment, onText: ((ByteView) -> Void)?, onEnd: @escaping () -> Void
    ) {
        self.connection = connection
        self.environment = environment
        self.onText = onText
        self.onEnd = onEnd
        let random = environment.randomID()
        key = WebSocketHandshake.key(randomHigh: random.high, randomLow: random.low)
        var request = ByteQueue()
        WebSocketHandshake.writeRequest(host: host, path: path, key: key, into: &request)
        if writeHalf.write(request.view) != .written { connection.close() }
        self.writeHalf = consume writeHalf
    }

    func received(_ bytes: MutableByteView) {
        var input = bytes.readOnly
        do {
            guard let head = try decoder.next(&input) else { return }
            try WebSocketHandshake.check(head, key: key)
        } catch {
            return connection.close()
        }
        guard let writeHalf = writeHalf.take() else { return }
        let echo = EchoConnection(
            .client, connection, writeHalf, on: environment, onText: onText, onEnd: onEnd)
        connection.handler = echo
        let rest = bytes.dropFirst(bytes.count - input.count)
        if !rest.isEmpty { echo.received(rest) }
    }

    func peerFinished() { connection.close() }
    func flush() {}
    func writeCompleted() {}
    func deadlineReached() {}
    func closed(_ end: ConnectionEnd) { onEnd() }
}
