#if canImport(Darwin)
    import Darwin

    /// Accepts one connection, non-blocking and not inherited by child processes.
    /// - Returns: the descriptor, or a negative error number.
    func acceptConnection(_ listening: Int32, _ peer: inout sockaddr_storage) -> Int32 {
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let descriptor = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept(listening, $0, &length) }
        }
        guard descriptor >= 0 else { return -errno }
        return prepared(descriptor)
    }

    /// A TCP socket, non-blocking and not inherited by child processes; or a negative error number.
    func makeStreamSocket(_ family: Int32) -> Int32 {
        let descriptor = socket(family, SOCK_STREAM, 0)
        guard descriptor >= 0 else { return -errno }
        return prepared(descriptor)
    }

    private func prepared(_ descriptor: Int32) -> Int32 {
        var on: Int32 = 1
        // There is no MSG_NOSIGNAL here: the option on the socket does the same.
        _ = setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
            let code = errno
            _ = close(descriptor)
            return -code
        }
        return descriptor
    }

    func fileDescriptorLimit(_ limit: inout rlimit) -> Int32 { getrlimit(RLIMIT_NOFILE, &limit) }

    let socketTypeStream = SOCK_STREAM
    let keepAliveIdleOption = TCP_KEEPALIVE
    let sendFlags = Int32(MSG_DONTWAIT)
    let receiveFlags = Int32(MSG_DONTWAIT)
    let peekFlags = Int32(MSG_DONTWAIT) | Int32(MSG_PEEK)
    let shutdownWriting = Int32(SHUT_WR)
    let internetProtocolTCP = Int32(IPPROTO_TCP)
    let internetProtocolIPv6 = Int32(IPPROTO_IPV6)

    func setLength(_ address: inout sockaddr_in) { address.sin_len = UInt8(MemoryLayout<sockaddr_in>.size) }
    func setLength(_ address: inout sockaddr_in6) { address.sin6_len = UInt8(MemoryLayout<sockaddr_in6>.size) }
#endif
