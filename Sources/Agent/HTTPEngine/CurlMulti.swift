import CCurl
import CLibuv
import Environment
import Primitives

/// libcurl's multi interface on the agent's loop: libcurl says which sockets and which time it waits for, the loop
/// tells when they are ready, and nothing ever blocks.
///
///     socket ready ─▶ uv_poll ─▶ curl_multi_socket_action ─▶ write callbacks ─▶ CurlTransfer
///     time passed  ─▶ Environment timer ─┘
///
/// Inside a libcurl callback no handle may be added or removed; such wishes wait until libcurl has returned.
final class CurlMulti {
    private let multi: UnsafeMutableRawPointer
    private let loop: UnsafeMutablePointer<uv_loop_t>
    private let environment: any Environment
    private var watches: [curl_socket_t: SocketWatch] = [:]
    private var timer: TimerID?
    /// Above zero while libcurl's code is on the stack.
    private var depth = 0
    private var adding: [CurlTransfer] = []
    private var removing: [CurlTransfer] = []
    private var unpausing: [CurlTransfer] = []
    private var active: [ObjectIdentifier: CurlTransfer] = [:]
    private var isShutDown = false

    /// Nil when libcurl cannot begin (no memory).
    init?(loop: UnsafeMutablePointer<uv_loop_t>, environment: any Environment) {
        guard curlIsInitialized, let multi = curl_multi_init() else { return nil }
        self.multi = multi
        self.loop = loop
        self.environment = environment
        let context = Unmanaged.passUnretained(self).toOpaque()
        let socketCode = ccurl_multi_set_socket_function(
            multi,
            { _, socket, what, context, _ in
                guard let context else { return 0 }
                Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue().watch(socket, what)
                return 0
            }, context)
        let timerCode = ccurl_multi_set_timer_function(
            multi,
            { _, milliseconds, context in
                guard let context else { return 0 }
                Unmanaged<CurlMulti>.fromOpaque(context).takeUnretainedValue().arm(milliseconds)
                return 0
            }, context)
        guard socketCode == CURLM_OK, timerCode == CURLM_OK else {
            curl_multi_cleanup(multi)
            return nil
        }
    }

    deinit { precondition(isShutDown, "shutDown() must come before the end") }

    /// Begins a transfer; it is kept until it has finished or was removed.
    func add(_ transfer: CurlTransfer) {
        active[ObjectIdentifier(transfer)] = transfer
        adding.append(transfer)
        settle()
    }

    /// Ends a transfer without a word to its owner.
    func remove(_ transfer: CurlTransfer) {
        guard active.removeValue(forKey: ObjectIdentifier(transfer)) != nil else { return }
        removing.append(transfer)
        settle()
    }

    func unpause(_ transfer: CurlTransfer) {
        unpausing.append(transfer)
        settle()
    }

    func shutDown() {
        guard !isShutDown else { return }
        isShutDown = true
        precondition(depth == 0, "shut down inside a callback of libcurl")
        if let timer { environment.cancel(timer) }
        timer = nil
        for transfer in active.values { curl_multi_remove_handle(multi, transfer.easy) }
        for transfer in removing { curl_multi_remove_handle(multi, transfer.easy) }
        active.removeAll()
        removing.removeAll()
        adding.removeAll()
        unpausing.removeAll()
        // Closes idle connections; libcurl reports each socket as gone before it closes it.
        curl_multi_cleanup(multi)
        for watch in watches.values { watch.close() }
        watches.removeAll()
    }

    // MARK: What libcurl waits for

    private func watch(_ socket: curl_socket_t, _ what: Int32) {
        if what == CURL_POLL_REMOVE {
            watches.removeValue(forKey: socket)?.close()
            return
        }
        var events: Int32 = 0
        if what & CURL_POLL_IN != 0 { events |= Int32(UV_READABLE.rawValue) }
        if what & CURL_POLL_OUT != 0 { events |= Int32(UV_WRITABLE.rawValue) }
        let watch: SocketWatch
        if let known = watches[socket] {
            watch = known
        } else {
            guard let made = SocketWatch(socket: socket, loop: loop, owner: self) else {
                environment.log(LogRecord(.error, "engine_socket_not_watched"))
                return
            }
            watches[socket] = made
            watch = made
        }
        watch.start(events)
    }

    private func arm(_ milliseconds: Int) {
        if let timer { environment.cancel(timer) }
        timer = nil
        guard milliseconds >= 0, !isShutDown else { return }
        timer = environment.schedule(at: environment.now + .milliseconds(milliseconds)) { [weak self] in
            self?.timer = nil
            self?.act(CURL_SOCKET_TIMEOUT, 0)
        }
    }

    func ready(_ socket: curl_socket_t, status: Int32, events: Int32) {
        var mask: Int32 = 0
        if status < 0 { mask = CURL_CSELECT_ERR }
        if events & Int32(UV_READABLE.rawValue) != 0 { mask |= CURL_CSELECT_IN }
        if events & Int32(UV_WRITABLE.rawValue) != 0 { mask |= CURL_CSELECT_OUT }
        act(socket, mask)
    }

    private func act(_ socket: curl_socket_t, _ mask: Int32) {
        guard !isShutDown else { return }
        inCurl {
            var runningCount: Int32 = 0
            let code = curl_multi_socket_action(multi, socket, mask, &runningCount)
            if code != CURLM_OK {
                environment.log(LogRecord(.error, "engine_client_failed", [("code", .int(Int(code.rawValue)))]))
            }
        }
        settle()
    }

    private func inCurl(_ body: () -> Void) {
        depth += 1
        body()
        depth -= 1
    }

    // MARK: What waits until libcurl has returned

    private func settle() {
        guard depth == 0 else { return }
        while !isShutDown {
            if let transfer = removing.popLast() {
                adding.removeAll { $0 === transfer }
                unpausing.removeAll { $0 === transfer }
                inCurl { _ = curl_multi_remove_handle(multi, transfer.easy) }
            } else if !adding.isEmpty {
                let transfer = adding.removeFirst()
                inCurl {
                    if curl_multi_add_handle(multi, transfer.easy) != CURLM_OK { transfer.isStillborn = true }
                }
                if transfer.isStillborn { finish(transfer, CURLE_OUT_OF_MEMORY) }
            } else if let transfer = unpausing.popLast() {
                // libcurl hands over what it kept from inside this call.
                inCurl { _ = curl_easy_pause(transfer.easy, CURLPAUSE_CONT) }
            } else if let message = nextMessage() {
                finish(message.transfer, message.code)
            } else {
                return
            }
        }
    }

    private func nextMessage() -> (transfer: CurlTransfer, code: CURLcode)? {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            let code = ccurl_message_result(message)
            var context: UnsafeMutableRawPointer?
            guard ccurl_easy_get_pointer(easy, CURLINFO_PRIVATE, &context) == CURLE_OK, let context else { continue }
            return (Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue(), code)
        }
        return nil
    }

    private func finish(_ transfer: CurlTransfer, _ code: CURLcode) {
        guard active.removeValue(forKey: ObjectIdentifier(transfer)) != nil else { return }
        inCurl { _ = curl_multi_remove_handle(multi, transfer.easy) }
        transfer.finished(code)
    }
}

/// libcurl's process-wide start, once.
private let curlIsInitialized = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

/// One socket of libcurl's in the loop.
private final class SocketWatch {
    private let socket: curl_socket_t
    private let handle = UnsafeMutablePointer<uv_poll_t>.allocate(capacity: 1)
    private weak var owner: CurlMulti?

    init?(socket: curl_socket_t, loop: UnsafeMutablePointer<uv_loop_t>, owner: CurlMulti) {
        self.socket = socket
        self.owner = owner
        guard uv_poll_init_socket(loop, handle, socket) == 0 else {
            handle.deallocate()
            return nil
        }
        // The loop holds the watch until the handle's close callback.
        handle.pointee.data = Unmanaged.passRetained(self).toOpaque()
    }

    func start(_ events: Int32) {
        _ = uv_poll_start(handle, events) { handle, status, events in
            guard let data = handle?.pointee.data else { return }
            let watch = Unmanaged<SocketWatch>.fromOpaque(data).takeUnretainedValue()
            watch.owner?.ready(watch.socket, status: status, events: events)
        }
    }

    /// At once, not later: libcurl closes the socket as soon as its callback returns.
    func close() {
        uv_poll_stop(handle)
        let erased = UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
        uv_close(erased) { handle in
            guard let handle, let data = handle.pointee.data else { return }
            UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_poll_t.self).deallocate()
            Unmanaged<SocketWatch>.fromOpaque(data).release()
        }
    }
}
