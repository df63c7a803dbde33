import CLibuv

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Asks the system's resolver, on libuv's threads, for the addresses of a name.
final class NameResolution {
    enum Outcome {
        /// In the resolver's order (RFC 6724), each once.
        case addresses([InternetAddress])
        case failed(Int32)
    }

    private let environment: ShardEnvironment
    private let request = UnsafeMutablePointer<uv_getaddrinfo_t>.allocate(capacity: 1)
    private let port: UInt16
    /// Nil once nobody wants to know.
    private var completed: ((Outcome) -> Void)?

    /// Calls `completed` later, on the loop. The returned object may be dropped: libuv's request keeps it.
    static func start(
        host: String, port: UInt16, on environment: ShardEnvironment, _ completed: @escaping (Outcome) -> Void
    ) -> NameResolution {
        let resolution = NameResolution(port: port, on: environment, completed)
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = socketTypeStream
        let kept = Unmanaged.passRetained(resolution)
        resolution.request.pointee.data = kept.toOpaque()
        let code = uv_getaddrinfo(
            environment.loop, resolution.request,
            { request, status, list in
                guard let data = request?.pointee.data else { return }
                let resolution = Unmanaged<NameResolution>.fromOpaque(data).takeRetainedValue()
                resolution.environment.enter { resolution.returned(status, list) }
                uv_freeaddrinfo(list)
            }, host, nil, &hints)
        if code != 0 {
            kept.release()
            environment.soon { resolution.finish(.failed(code)) }
        }
        return resolution
    }

    private init(port: UInt16, on environment: ShardEnvironment, _ completed: @escaping (Outcome) -> Void) {
        self.port = port
        self.environment = environment
        self.completed = completed
    }

    deinit { request.deallocate() }

    /// Nothing is reported any more. A look-up that a thread has begun cannot be stopped: it ends by itself.
    func cancel() {
        guard completed != nil else { return }
        completed = nil
        _ = uv_cancel(UnsafeMutableRawPointer(request).assumingMemoryBound(to: uv_req_t.self))
    }

    private func finish(_ outcome: Outcome) {
        let completed = completed
        self.completed = nil
        completed?(outcome)
    }

    private func returned(_ status: Int32, _ list: UnsafeMutablePointer<addrinfo>?) {
        guard status == 0 else {
            finish(.failed(status))
            return
        }
        var addresses: [InternetAddress] = []
        var next = list
        while let entry = next {
            if let address = InternetAddress(entry.pointee.ai_addr)?.with(port: port), !addresses.contains(address) {
                addresses.append(address)
            }
            next = entry.pointee.ai_next
        }
        finish(addresses.isEmpty ? .failed(UV_EAI_NODATA.rawValue) : .addresses(addresses))
    }
}
