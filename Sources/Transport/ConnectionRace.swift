import CLibuv
import Primitives

/// Tries the addresses of one host, the families in turn, each a moment after the one before or as soon as that has
/// failed; the first that connects wins (RFC 8305).
final class ConnectionRace {
    enum Outcome {
        case connected(UnsafeMutablePointer<uv_tcp_t>, InternetAddress)
        /// What each address said, in the order in which they failed.
        case failed([(InternetAddress, Int32)])
    }

    /// RFC 8305 section 8.
    static let stagger = Duration.milliseconds(250)

    private let environment: ShardEnvironment
    private var waiting: ArraySlice<InternetAddress>
    private var running: [ConnectionAttempt] = []
    private var failures: [(InternetAddress, Int32)] = []
    private var timer: TimerID?
    /// Nil once it is decided.
    private var completed: ((Outcome) -> Void)?

    /// Nothing is reported before ``start()`` has returned.
    init(
        _ addresses: [InternetAddress], on environment: ShardEnvironment, _ completed: @escaping (Outcome) -> Void
    ) {
        self.environment = environment
        self.completed = completed
        waiting = Self.interleaved(addresses)[...]
    }

    /// The first address stays first; then the families alternate as long as both have some.
    static func interleaved(_ addresses: [InternetAddress]) -> [InternetAddress] {
        guard let first = addresses.first else { return [] }
        var same = addresses.filter { $0.family == first.family }[...]
        var other = addresses.filter { $0.family != first.family }[...]
        var result: [InternetAddress] = []
        while !same.isEmpty || !other.isEmpty {
            if let next = same.popFirst() { result.append(next) }
            if let next = other.popFirst() { result.append(next) }
        }
        return result
    }

    func start() { environment.soon { self.startNext() } }

    /// Ends all attempts; nothing is reported any more.
    func cancel() {
        completed = nil
        stop()
    }

    private func stop() {
        if let timer { environment.cancel(timer) }
        timer = nil
        waiting = []
        let attempts = running
        running = []
        for attempt in attempts { attempt.cancel() }
    }

    private func startNext() {
        if let timer { environment.cancel(timer) }
        timer = nil
        while completed != nil, let address = waiting.popFirst() {
            switch ConnectionAttempt.start(address, on: environment, { self.attemptEnded($0, $1) }) {
            case .failure(let code):
                failures.append((address, code))
            case .success(let attempt):
                running.append(attempt)
                if !waiting.isEmpty {
                    timer = environment.schedule(at: environment.now + Self.stagger) { self.startNext() }
                }
                return
            }
        }
        if running.isEmpty { finish(.failed(failures)) }
    }

    private func attemptEnded(_ attempt: ConnectionAttempt, _ code: Int32) {
        running.removeAll { $0 === attempt }
        guard code == 0 else {
            failures.append((attempt.address, code))
            attempt.cancel()
            startNext()
            return
        }
        let tcp = attempt.takeHandle()
        stop()
        finish(.connected(tcp, attempt.address))
    }

    private func finish(_ outcome: Outcome) {
        let completed = completed
        self.completed = nil
        completed?(outcome)
    }
}

/// One connect on its way.
final class ConnectionAttempt {
    enum Start {
        case success(ConnectionAttempt)
        case failure(Int32)
    }

    let address: InternetAddress
    private let tcp = UnsafeMutablePointer<uv_tcp_t>.allocate(capacity: 1)
    private let environment: ShardEnvironment
    /// Nil once the result has been given or nobody wants it.
    private var ended: ((ConnectionAttempt, Int32) -> Void)?

    private init(
        _ address: InternetAddress, on environment: ShardEnvironment,
        _ ended: @escaping (ConnectionAttempt, Int32) -> Void
    ) {
        self.address = address
        self.environment = environment
        self.ended = ended
    }

    static func start(
        _ address: InternetAddress, on environment: ShardEnvironment,
        _ ended: @escaping (ConnectionAttempt, Int32) -> Void
    ) -> Start {
        let attempt = ConnectionAttempt(address, on: environment, ended)
        // Only fills in memory, since the socket is made by the connect.
        uv_tcp_init(environment.loop, attempt.tcp)
        let request = UnsafeMutablePointer<uv_connect_t>.allocate(capacity: 1)
        let kept = Unmanaged.passRetained(attempt)
        request.pointee.data = kept.toOpaque()
        let code = address.withSocketAddress { socketAddress, _ in
            uv_tcp_connect(request, attempt.tcp, socketAddress) { request, status in
                guard let request, let data = request.pointee.data else { return }
                request.deallocate()
                let attempt = Unmanaged<ConnectionAttempt>.fromOpaque(data).takeRetainedValue()
                attempt.environment.enter { attempt.returned(status) }
            }
        }
        guard code == 0 else {
            request.deallocate()
            attempt.cancel()
            kept.release()
            return .failure(code)
        }
        return .success(attempt)
    }

    private func returned(_ status: Int32) {
        let ended = ended
        self.ended = nil
        ended?(self, status)
    }

    /// Hands over the connected handle.
    func takeHandle() -> UnsafeMutablePointer<uv_tcp_t> {
        var descriptor: uv_os_fd_t = -1
        if uv_fileno(handlePointer(tcp), &descriptor) == 0 { setStreamOptions(descriptor) }
        return tcp
    }

    /// Closes the handle; to be called once, unless it was handed over.
    func cancel() {
        ended = nil
        uv_close(handlePointer(tcp)) { handle in handle.map { UnsafeMutableRawPointer($0).deallocate() } }
    }
}
