import CLibuv
import Environment
import Primitives

/// One TCP connection on a loop: two heap objects, this and libuv's, and no buffer while it is idle.
///
/// Reading goes into the shard's one buffer and straight to the handler. Writing tries the socket at once; only what it
/// does not take is copied, into one libuv request, and no other write is accepted until that has left.
final class SocketConnection: Connection, ByteSink {
    private enum Life {
        case open
        /// `uv_close` has been called; the end is reported from its callback.
        case closing(ConnectionEnd)
        case closed
    }

    private enum WriteSide { case idle, inFlight, finished, finishedInFlight }
    private enum ReadSide { case open, finished }

    let environment: ShardEnvironment
    let address: InternetAddress
    var handler: (any ConnectionHandler)?
    /// Told when the handle is gone; keeps the listener's count right.
    private let listener: Listener?
    private let tcp: UnsafeMutablePointer<uv_tcp_t>

    private var life = Life.open
    private var writeSide = WriteSide.idle
    private var readSide = ReadSide.open
    private var pauseCount: Int32 = 0
    private var isDirty = false
    /// Where the environment keeps this connection.
    var registryIndex: Int32 = 0

    /// What the handler asked for; `.distantFuture` for nothing.
    private var deadline = MonotonicInstant.distantFuture
    /// The timer that looks at `deadline`; it may be earlier, since moving the deadline later leaves it alone.
    private var timer: TimerID?
    private var timerDeadline = MonotonicInstant.distantFuture

    var peer: PeerAddress { address.peerAddress }
    private var isOpen: Bool { if case .open = life { true } else { false } }

    /// Takes over an initialised, connected handle.
    init(
        adopting tcp: UnsafeMutablePointer<uv_tcp_t>, on environment: ShardEnvironment, peer: InternetAddress,
        listener: Listener? = nil
    ) {
        self.tcp = tcp
        self.environment = environment
        address = peer
        self.listener = listener
        tcp.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        environment.adopt(self)
    }

    @inline(__always) static func of(_ data: UnsafeMutableRawPointer?) -> SocketConnection? {
        data.map { Unmanaged<SocketConnection>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: Reading

    /// Begins to read; the handler is set by now. Called once by whoever made the connection.
    func start() {
        if handler == nil { close() }
        if pauseCount == 0 { startReading() }
    }

    private func startReading() {
        guard isOpen, case .open = readSide else { return }
        let code = uv_read_start(
            streamPointer(tcp),
            { handle, _, buffer in
                guard let connection = SocketConnection.of(handle?.pointee.data) else { return }
                UnsafeMutableRawPointer(connection.environment.readBuffer).withMemoryRebound(
                    to: CChar.self, capacity: 1
                ) {
                    buffer?.pointee = uv_buf_init($0, UInt32(ShardEnvironment.readBufferByteCount))
                }
            },
            { handle, count, _ in
                guard let connection = SocketConnection.of(handle?.pointee.data) else { return }
                connection.environment.enter { connection.readReturned(count) }
            })
        if code != 0 { fail(code) }
    }

    private func readReturned(_ count: Int) {
        guard isOpen else { return }
        if count > 0 {
            environment.counted.bytesReceived &+= UInt64(count)
            handler?.received(MutableByteView(base: environment.readBuffer, count: count))
        } else if count == Int(UV_EOF.rawValue) {
            peerHasFinished()
        } else if count < 0 {
            fail(Int32(truncatingIfNeeded: count))
        }
    }

    private func peerHasFinished() {
        guard isOpen, case .open = readSide else { return }
        readSide = .finished
        uv_read_stop(streamPointer(tcp))
        handler?.peerFinished()
    }

    func pauseReading() {
        guard isOpen else { return }
        pauseCount += 1
        guard pauseCount == 1 else { return }
        uv_read_stop(streamPointer(tcp))
        environment.readingPaused()
    }

    func resumeReading() {
        guard isOpen, pauseCount > 0 else { return }
        pauseCount -= 1
        guard pauseCount == 0 else { return }
        environment.readingResumed()
        startReading()
    }

    /// A socket that is not read does not say that its peer has gone. Looks without taking anything: a reset, or an end
    /// of the stream with nothing unread before it, is reported as if reading were on.
    func probeWhilePaused() {
        guard isOpen, pauseCount > 0, case .open = readSide, let descriptor else { return }
        switch socketCondition(descriptor) {
        case .quiet: break
        case .finished: peerHasFinished()
        case .failed(let code): fail(code)
        }
    }

    // MARK: Writing

    func write(_ batch: ByteView) -> WriteOutcome {
        guard isOpen else { return .closed }
        switch writeSide {
        case .idle: break
        case .finished, .finishedInFlight: return .closed
        case .inFlight: preconditionFailure("a batch was written while one is in flight")
        }
        guard !batch.isEmpty else { return .written }
        environment.counted.bytesSent &+= UInt64(batch.count)
        let taken = tryWrite(batch)
        if taken == batch.count { return .written }
        if taken < 0 {
            fail(Int32(truncatingIfNeeded: taken))
            return .closed
        }
        let code = PendingWrite.start(batch.dropFirst(taken), on: streamPointer(tcp))
        guard code == 0 else {
            fail(code)
            return .closed
        }
        writeSide = .inFlight
        environment.counted.writesDelayed &+= 1
        return .inFlight
    }

    /// - Returns: bytes that the kernel took, or a negative error number.
    private func tryWrite(_ batch: ByteView) -> Int {
        var buffer = uv_buf_t()
        // libuv's buffers are not const, but writing only reads them.
        buffer.base = UnsafeMutableRawPointer(mutating: batch.base).assumingMemoryBound(to: CChar.self)
        buffer.len = numericCast(batch.count)
        let taken = Int(uv_try_write(streamPointer(tcp), &buffer, 1))
        return taken == Int(UV_EAGAIN.rawValue) ? 0 : taken
    }

    func writeReturned(_ status: Int32) {
        guard isOpen else { return }
        guard status == 0 else {
            fail(status)
            return
        }
        switch writeSide {
        case .inFlight: writeSide = .idle
        case .finishedInFlight: writeSide = .finished
        case .idle, .finished: return
        }
        handler?.writeCompleted()
    }

    func finishWriting() {
        guard isOpen else { return }
        switch writeSide {
        case .idle: writeSide = .finished
        case .inFlight: writeSide = .finishedInFlight
        case .finished, .finishedInFlight: return
        }
        let request = UnsafeMutablePointer<uv_shutdown_t>.allocate(capacity: 1)
        // libuv sends FIN behind what it still holds. A failure means that the peer has gone: reading tells that.
        let code = uv_shutdown(request, streamPointer(tcp)) { request, _ in request?.deallocate() }
        if code != 0 { request.deallocate() }
    }

    func requestFlush() {
        guard !isDirty, isOpen else { return }
        isDirty = true
        environment.markDirty(self)
    }

    func flushNow() {
        isDirty = false
        if isOpen { handler?.flush() }
    }

    // MARK: Deadline

    func setDeadline(_ deadline: MonotonicInstant?) {
        guard isOpen else { return }
        self.deadline = deadline ?? .distantFuture
        guard self.deadline < timerDeadline else { return }
        if let timer { environment.timers.cancel(timer) }
        armTimer()
    }

    private func armTimer() {
        timerDeadline = deadline
        timer = environment.timers.schedule(at: deadline, .connection(self))
    }

    func timerFired(now: MonotonicInstant) {
        timer = nil
        timerDeadline = .distantFuture
        guard isOpen, deadline != .distantFuture else { return }
        guard deadline <= now else {
            armTimer()
            return
        }
        deadline = .distantFuture
        handler?.deadlineReached()
    }

    // MARK: End

    func close() { end(.closedHere) }

    private func fail(_ code: Int32) { end(.failed(reason: systemMessage(code))) }

    /// Ends the connection for a reason that a layer above the socket has found.
    func end(_ end: ConnectionEnd) {
        guard isOpen else { return }
        life = .closing(end)
        if let timer { environment.timers.cancel(timer) }
        timer = nil
        if pauseCount > 0 { environment.readingResumed() }
        if case .open = readSide, end == .closedHere, let descriptor { discardUnread(descriptor) }
        uv_close(handlePointer(tcp)) { handle in
            guard let handle, let connection = SocketConnection.of(handle.pointee.data) else { return }
            connection.environment.enter { connection.handleClosed() }
        }
    }

    private func handleClosed() {
        guard case .closing(let end) = life else { return }
        life = .closed
        tcp.deallocate()
        environment.release(self)
        listener?.connectionClosed()
        let handler = handler
        self.handler = nil
        handler?.closed(end)
    }

    private var descriptor: Int32? {
        var descriptor: uv_os_fd_t = -1
        return uv_fileno(handlePointer(tcp), &descriptor) == 0 ? descriptor : nil
    }
}

@available(*, unavailable) extension SocketConnection: Sendable {}
