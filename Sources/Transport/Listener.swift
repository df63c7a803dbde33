import CLibuv
package import Environment
import Primitives

/// Accepts connections on one or more addresses until it is stopped. Connections outlive it.
package final class Listener: LoopResource {
    /// Where it listens, with the ports that the system chose.
    package let addresses: [PeerAddress]
    /// Connections that came from here and have not ended.
    package private(set) var connectionCount = 0
    /// Connections refused because of the limit, ever.
    package private(set) var refusedCount = 0

    private let settings: ListenSettings
    private let environment: ShardEnvironment
    private let tls: TLSServerContext?
    private let acceptor: any ConnectionAcceptor
    private var sockets: [ListeningSocket] = []
    private var refused = RefusedConnections()

    fileprivate init(
        _ settings: ListenSettings, tls: TLSServerContext?, on environment: ShardEnvironment,
        acceptor: any ConnectionAcceptor
    ) throws(ListenError) {
        self.settings = settings
        self.tls = tls
        self.environment = environment
        self.acceptor = acceptor
        guard environment.isRunning else {
            throw ListenError(address: settings.hosts.joined(separator: ", "), kind: .stopped, code: 0)
        }
        let wanted = try settings.addresses()
        let hasIPv4 = wanted.contains { $0.family == .ipv4 }
        var sockets: [ListeningSocket] = []
        do throws(ListenError) {
            for address in wanted {
                // `::` alone takes IPv4 too; beside an IPv4 address it must not, or the two would collide.
                sockets.append(try ListeningSocket(address, settings, ipv6Only: hasIPv4, on: environment))
            }
        } catch {
            for socket in sockets { socket.close() }
            throw error
        }
        addresses = sockets.map(\.address.peerAddress)
        self.sockets = sockets
        environment.adopt(self)
        for socket in sockets { socket.start(for: self) }
    }

    /// Accepts no more: the addresses are free again. Connections that have been accepted go on.
    package func stop() {
        for socket in sockets { socket.close() }
        sockets = []
        refused.closeAll()
        environment.release(self)
    }

    func shutDown() { stop() }

    func connectionClosed() { connectionCount -= 1 }

    /// Takes over a descriptor that was accepted.
    func accepted(_ descriptor: Int32, from peer: InternetAddress) {
        guard connectionCount < settings.connectionLimit else {
            refusedCount += 1
            refuse(descriptor)
            return
        }
        let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
        // Only fills in memory, since no socket is to be made yet.
        uv_tcp_init(environment.loop, tcp)
        let code = uv_tcp_open(tcp, descriptor)
        guard code == 0 else {
            uv_close(handlePointer(tcp)) { handle in handle?.deallocate() }
            closeDescriptor(descriptor)
            environment.log(LogRecord(.error, "connection_not_opened", [("error", .string(systemMessage(code)))]))
            return
        }
        connectionCount += 1
        let connection = SocketConnection(adopting: tcp, on: environment, peer: peer, listener: self)
        guard let tls else {
            acceptor.accepted(connection, writeHalf: WriteHalf(connection))
            connection.start()
            return
        }
        do throws(TLSError) {
            let session = try TLSSession.server(tls.context)
            let deadline = environment.now + settings.handshakeTimeout
            TLSConnection.start(on: connection, session, .accepting(acceptor), deadline: deadline)
        } catch {
            connection.close()
            environment.log(LogRecord(.error, "tls_session_not_made", [("error", .string(error.description))]))
        }
    }

    private func refuse(_ descriptor: Int32) {
        if tls != nil {
            closeDescriptor(descriptor)
            return
        }
        sendWithoutBlocking(descriptor, settings.refusal)
        guard let deadline = refused.add(descriptor, now: environment.now) else { return }
        _ = environment.schedule(at: deadline) { [weak self] in
            guard let self else { return }
            refused.closeExpired(now: environment.now)
        }
    }
}

extension ShardEnvironment {
    /// Listens on all addresses of `settings`, or on none. With `tls`, the acceptor gets connections whose handshake is
    /// done.
    package func listen(
        _ settings: ListenSettings, tls: TLSServerContext? = nil, acceptor: any ConnectionAcceptor
    ) throws(ListenError) -> Listener {
        try Listener(settings, tls: tls, on: self, acceptor: acceptor)
    }
}

@available(*, unavailable) extension Listener: Sendable {}
