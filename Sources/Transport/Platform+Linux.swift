#if os(Linux)
    import CLibuv

    #if canImport(Glibc)
        import Glibc
    #else
        import Musl
    #endif

    /// Accepts one connection, non-blocking and not inherited by child processes.
    /// - Returns: the descriptor, or a negative error number.
    func acceptConnection(_ listening: Int32, _ peer: inout sockaddr_storage) -> Int32 {
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let descriptor = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                accept4(listening, $0, &length, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            }
        }
        return descriptor >= 0 ? descriptor : -errno
    }

    /// A TCP socket, non-blocking and not inherited by child processes; or a negative error number.
    func makeStreamSocket(_ family: Int32) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        return descriptor >= 0 ? descriptor : -errno
    }

    func fileDescriptorLimit(_ limit: inout rlimit) -> Int32 {
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    let socketTypeStream = Int32(SOCK_STREAM.rawValue)
    let keepAliveIdleOption = TCP_KEEPIDLE
    let sendFlags = Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)
    let receiveFlags = Int32(MSG_DONTWAIT)
    let peekFlags = Int32(MSG_DONTWAIT) | Int32(MSG_PEEK)
    let shutdownWriting = Int32(SHUT_WR)
    let internetProtocolTCP = Int32(IPPROTO_TCP)
    let internetProtocolIPv6 = Int32(IPPROTO_IPV6)

    /// What the platform wants beside the family in an address; nothing here.
    func setLength(_ address: inout sockaddr_in) {}
    func setLength(_ address: inout sockaddr_in6) {}
#endif
