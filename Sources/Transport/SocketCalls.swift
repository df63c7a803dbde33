import CLibuv
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The few socket calls that libuv does not make for us. Error numbers are negative, as libuv's.

enum OpenResult {
    case success(Int32)
    case failure(Int32)
}

enum AcceptResult {
    case accepted(Int32, InternetAddress)
    case nothingWaits
    /// The peer left before it was accepted.
    case connectionLost
    case failed(Int32)
}

/// Time without traffic after which the kernel begins to ask whether the peer is there, and how it asks.
private let keepAlive = (idleSeconds: Int32(60), intervalSeconds: Int32(15), count: Int32(4))

/// A bound, listening, non-blocking socket. Options set here are inherited by what it accepts, on Linux and the BSDs
/// alike, which saves calls per connection.
func openListeningSocket(_ address: InternetAddress, _ settings: ListenSettings, ipv6Only: Bool) -> OpenResult {
    let descriptor = makeStreamSocket(address.addressFamily)
    guard descriptor >= 0 else { return .failure(descriptor) }
    func failed() -> OpenResult {
        let code = errno
        _ = close(descriptor)
        return .failure(-code)
    }
    guard setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) else { return failed() }
    if settings.sharesPort, !setOption(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) { return failed() }
    if address.family == .ipv6, !setOption(descriptor, internetProtocolIPv6, IPV6_V6ONLY, ipv6Only ? 1 : 0) {
        return failed()
    }
    setStreamOptions(descriptor)
    guard address.withSocketAddress({ bind(descriptor, $0, $1) }) == 0 else { return failed() }
    guard listen(descriptor, settings.backlog) == 0 else { return failed() }
    return .success(descriptor)
}

/// Small writes leave at once, and a peer that has silently gone is noticed. A refusal costs only that.
func setStreamOptions(_ descriptor: Int32) {
    _ = setOption(descriptor, internetProtocolTCP, TCP_NODELAY, 1)
    _ = setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
    _ = setOption(descriptor, internetProtocolTCP, keepAliveIdleOption, keepAlive.idleSeconds)
    _ = setOption(descriptor, internetProtocolTCP, TCP_KEEPINTVL, keepAlive.intervalSeconds)
    _ = setOption(descriptor, internetProtocolTCP, TCP_KEEPCNT, keepAlive.count)
}

private func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Bool {
    var value = value
    return setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size)) == 0
}

func acceptOne(_ listening: Int32) -> AcceptResult {
    var storage = sockaddr_storage()
    let descriptor = acceptConnection(listening, &storage)
    guard descriptor < 0 else {
        guard let peer = InternetAddress(storage) else {
            _ = close(descriptor)
            return .connectionLost
        }
        return .accepted(descriptor, peer)
    }
    switch -descriptor {
    case EAGAIN, EWOULDBLOCK: return .nothingWaits
    // Network errors that wait on the new connection are given by accept (accept(2), Linux).
    case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, EPERM:
        return .connectionLost
    default: return .failed(descriptor)
    }
}

func sendWithoutBlocking(_ descriptor: Int32, _ bytes: [UInt8]) {
    _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, sendFlags) }
    _ = shutdown(descriptor, shutdownWriting)
}

func closeDescriptor(_ descriptor: Int32) { _ = close(descriptor) }

extension ListenError.Kind {
    init(_ code: Int32) {
        switch -code {
        case EADDRINUSE: self = .inUse
        case EACCES, EPERM: self = .notPermitted
        case EADDRNOTAVAIL, EAFNOSUPPORT: self = .notAvailable
        default: self = .other
        }
    }
}
