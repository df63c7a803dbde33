import CLibuv
import Environment
import Primitives

/// One bound address. The descriptor is our own and libuv only watches it: its own accept loop closes waiting connections
/// when descriptors run out, where this one lets them wait.
final class ListeningSocket {
    private enum State {
        case ready
        case accepting
        /// Descriptors have run out; a timer tries again.
        case paused
        case closed
    }

    /// Time between tries while descriptors have run out.
    static let retryInterval = Duration.milliseconds(100)
    /// Most connections accepted in one turn, so that a storm of them does not starve the others.
    private static let batchCount = 256

    let address: InternetAddress
    private let environment: ShardEnvironment
    private let descriptor: Int32
    private let poll = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private var state = State.ready
    private weak var listener: Listener?
    /// One line per shortage: said when it begins, forgotten when a connection is accepted again.
    private var hasLoggedShortage = false

    init(
        _ wanted: InternetAddress, _ settings: ListenSettings, ipv6Only: Bool, on environment: ShardEnvironment
    ) throws(ListenError) {
        self.environment = environment
        switch openListeningSocket(wanted, settings, ipv6Only: ipv6Only) {
        case .failure(let code):
            poll.deallocate()
            throw ListenError(address: wanted.text, kind: .init(code), code: code)
        case .success(let opened):
            descriptor = opened
        }
        address = InternetAddress(localEndOf: descriptor) ?? wanted
        let code = uv_poll_init(environment.loop, poll, descriptor)
        guard code == 0 else {
            closeDescriptor(descriptor)
            poll.deallocate()
            throw ListenError(address: wanted.text, kind: .init(code), code: code)
        }
        poll.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    func start(for listener: Listener) {
        self.listener = listener
        watch()
    }

    private func watch() {
        state = .accepting
        let code = uv_poll_start(poll, Int32(UV_READABLE.rawValue)) { handle, status, _ in
            guard let data = handle?.pointee.data else { return }
            let socket = Unmanaged<ListeningSocket>.fromOpaque(data).takeUnretainedValue()
            socket.environment.enter { socket.becameReadable(status) }
        }
        if code != 0 { pause(code) }
    }

    private func becameReadable(_ status: Int32) {
        guard status == 0 else {
            pause(status)
            return
        }
        for _ in 0..<Self.batchCount {
            // The acceptor may have stopped the listener.
            guard case .accepting = state, let listener else { return }
            switch acceptOne(descriptor) {
            case .accepted(let accepted, let peer):
                hasLoggedShortage = false
                listener.accepted(accepted, from: peer)
            case .nothingWaits:
                return
            case .connectionLost:
                continue
            case .failed(let code):
                pause(code)
                return
            }
        }
    }

    private func pause(_ code: Int32) {
        state = .paused
        uv_poll_stop(poll)
        if !hasLoggedShortage {
            hasLoggedShortage = true
            environment.log(
                LogRecord(
                    .error, "accept_paused",
                    [("address", .string(address.text)), ("error", .string(systemMessage(code)))]))
        }
        _ = environment.schedule(at: environment.now + Self.retryInterval) { [weak self] in
            guard let self, case .paused = state else { return }
            watch()
        }
    }

    func close() {
        if case .closed = state { return }
        state = .closed
        // The handle outlives this object: it is freed by its own close callback, the descriptor at once after libuv has
        // let go of it.
        uv_poll_stop(poll)
        poll.pointee.data = nil
        uv_close(handlePointer(poll)) { handle in
            guard let handle else { return }
            UnsafeMutableRawPointer(handle).deallocate()
        }
        closeDescriptor(descriptor)
    }
}
