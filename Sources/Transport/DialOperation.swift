import CLibuv
package import Environment
import Primitives

/// One outgoing connection in the making: name, race of addresses, TLS; or the time-out, whichever comes first.
final class DialOperation: LoopResource {
    private enum State {
        case ready
        case resolving(NameResolution)
        case connecting(ConnectionRace)
        case securing(SocketConnection)
        case ended
    }

    private let endpoint: DialEndpoint
    private let environment: ShardEnvironment
    private let target: any DialTarget
    private var state = State.ready
    private var timer: TimerID?

    init(_ endpoint: DialEndpoint, on environment: ShardEnvironment, target: any DialTarget) {
        self.endpoint = endpoint
        self.environment = environment
        self.target = target
    }

    func start(timeout: Duration) {
        guard environment.isRunning else {
            environment.soon { self.fail(.notConnected(message: "the event loop has stopped")) }
            return
        }
        environment.adopt(self)
        timer = environment.schedule(at: environment.now + timeout) { [weak self] in self?.fail(.timedOut) }
        if let address = InternetAddress(host: endpoint.host, port: endpoint.port) {
            connect([address])
        } else {
            state = .resolving(
                NameResolution.start(host: endpoint.host, port: endpoint.port, on: environment) { [weak self] in
                    self?.resolved($0)
                })
        }
    }

    func shutDown() { fail(.notConnected(message: "the event loop is stopping")) }

    private func resolved(_ outcome: NameResolution.Outcome) {
        guard case .resolving = state else { return }
        switch outcome {
        case .addresses(let addresses):
            connect(addresses)
        case .failed(let code):
            fail(.nameNotResolved(message: "cannot resolve \(endpoint.host): \(systemMessage(code))"))
        }
    }

    private func connect(_ addresses: [InternetAddress]) {
        let race = ConnectionRace(addresses, on: environment) { [weak self] in self?.connected($0) }
        state = .connecting(race)
        race.start()
    }

    private func connected(_ outcome: ConnectionRace.Outcome) {
        guard case .connecting = state else { return }
        switch outcome {
        case .connected(let tcp, let address):
            let connection = SocketConnection(adopting: tcp, on: environment, peer: address)
            secure(connection)
        case .failed(let failures):
            fail(.notConnected(message: Self.message(endpoint, failures)))
        }
    }

    private func secure(_ connection: SocketConnection) {
        switch endpoint.security {
        case .plain:
            succeed(connection, WriteHalf(connection))
            connection.start()
        case .tls, .tlsUnverified:
            do throws(TLSError) {
                let session = try TLSSession.client(
                    environment.tlsClientContext().context, host: endpoint.host,
                    isVerified: endpoint.security == .tls)
                state = .securing(connection)
                // The time-out of the whole operation covers the handshake too.
                TLSConnection.start(on: connection, session, .dialing(self), deadline: .distantFuture)
            } catch {
                connection.close()
                fail(.tlsFailed(message: error.description))
            }
        }
    }

    func secured(_ connection: TLSConnection, _ writeHalf: consuming WriteHalf) {
        guard case .securing = state else { return }
        succeed(connection, writeHalf)
    }

    func securingFailed(_ reason: String) {
        fail(.tlsFailed(message: "TLS with \(endpoint.host):\(endpoint.port) failed: \(reason)"))
    }

    private func succeed(_ connection: any Connection, _ writeHalf: consuming WriteHalf) {
        end()
        target.dialed(connection, writeHalf: writeHalf)
    }

    private func fail(_ error: DialError) {
        if case .ended = state { return }
        let securing: SocketConnection? = if case .securing(let connection) = state { connection } else { nil }
        end()
        securing?.close()
        target.dialFailed(error)
    }

    private func end() {
        switch state {
        case .resolving(let resolution): resolution.cancel()
        case .connecting(let race): race.cancel()
        case .ready, .securing, .ended: break
        }
        state = .ended
        if let timer { environment.cancel(timer) }
        environment.release(self)
    }

    /// Names the endpoint, and at most three of the addresses that were tried.
    private static func message(_ endpoint: DialEndpoint, _ failures: [(InternetAddress, Int32)]) -> String {
        let isLiteral = InternetAddress(host: endpoint.host, port: endpoint.port) != nil
        let name = endpoint.host.contains(":") ? "[\(endpoint.host)]" : endpoint.host
        if isLiteral || failures.count == 1, let (_, code) = failures.first {
            return "cannot connect to \(name):\(endpoint.port): \(systemMessage(code))"
        }
        let tried = failures.prefix(3).map { "\($0.0.host): \(systemMessage($0.1))" }.joined(separator: "; ")
        return "cannot connect to \(name):\(endpoint.port) (\(tried))"
    }
}

extension ShardEnvironment: Dialer {
    package func dial(_ endpoint: DialEndpoint, timeout: Duration, target: any DialTarget) {
        DialOperation(endpoint, on: self, target: target).start(timeout: timeout)
    }
}
