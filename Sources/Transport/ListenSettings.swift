/// What a listener listens on, and how much it lets in.
package struct ListenSettings: Sendable, Equatable {
    /// Address literals without brackets; `localhost` for both loopback addresses, `*` or an empty text for all addresses.
    package var hosts: [String]
    /// 0 for one that the system chooses, for each address its own.
    package var port: UInt16
    /// Connections that the kernel keeps until they are accepted.
    package var backlog: Int32 = 1024
    /// Lets several shards listen on the same address; the kernel spreads the connections (SO_REUSEPORT).
    package var sharesPort = false
    /// Most connections at a time; what comes beyond gets ``refusal`` and is closed.
    package var connectionLimit = 65_536
    /// A whole HTTP response, sent as it is to connections beyond the limit. Nothing is sent on a TLS listener.
    package var refusal: [UInt8] = Self.serviceUnavailable
    /// Time for a TLS handshake.
    package var handshakeTimeout = Duration.seconds(10)

    package static let serviceUnavailable = Array(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n".utf8)

    package init(hosts: [String], port: UInt16) {
        self.hosts = hosts
        self.port = port
    }

    /// The addresses meant, each once.
    func addresses() throws(ListenError) -> [InternetAddress] {
        var addresses: [InternetAddress] = []
        for host in hosts {
            let literals =
                switch host {
                case "localhost": ["127.0.0.1", "::1"]
                case "", "*": ["::"]
                default: [host]
                }
            for literal in literals {
                guard let address = InternetAddress(host: literal, port: port) else {
                    throw ListenError(address: host, kind: .notAnAddress, code: 0)
                }
                if !addresses.contains(address) { addresses.append(address) }
            }
        }
        return addresses
    }
}

/// Why an address cannot be listened on; the text names it.
package struct ListenError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable { case notAnAddress, inUse, notPermitted, notAvailable, stopped, other }

    package let address: String
    package let kind: Kind
    /// A negative error number of the operating system, or 0.
    package let code: Int32

    package var description: String {
        switch kind {
        case .notAnAddress: "cannot listen on \"\(address)\": not an IP address"
        case .stopped: "cannot listen on \(address): the event loop has stopped"
        case .inUse, .notPermitted, .notAvailable, .other: "cannot listen on \(address): \(systemMessage(code))"
        }
    }
}
