import Environment
import Primitives

/// TLS between a socket and a handler. The socket's one owner sits below it:
///
///     handler ──batch──▶ encrypt ─▶ outbox ─▶ SocketConnection      `.inFlight` until the ciphertext has left
///     handler ◀─bytes── decrypt ◀─ shared buffer ◀─ SocketConnection
///                          └─ handshake, key updates, alerts ─▶ the same outbox
///
/// One read of the socket gives the handler one call. A handler that pauses reading inside that call can get one more:
/// what has been read and does not fit the shard's buffer decrypted.
final class TLSConnection: Connection, ConnectionHandler, ByteSink {
    /// Who waits for the handshake.
    enum Purpose {
        case accepting(any ConnectionAcceptor)
        case dialing(DialOperation)
    }

    private enum State {
        case handshaking(Purpose)
        case open
        case ended
    }

    private enum WriteSide { case open, finished }
    private enum ReadSide { case open, finished }

    private enum Outflow {
        case idle
        /// The socket is busy with bytes that only TLS itself has made.
        case ownBytes
        /// Some of the handler's batch has not left.
        case batch
    }

    /// More than OpenSSL makes for any honest exchange: a peer that asks for answers and does not read them is cut.
    private static let outboxByteCount = 1024 * 1024

    private let lower: SocketConnection
    private let lowerWriteHalf: WriteHalf
    private let session: TLSSession
    private var state: State
    private var writeSide = WriteSide.open
    private var readSide = ReadSide.open
    private var outflow = Outflow.idle
    private var isLowerInFlight = false
    var handler: (any ConnectionHandler)?

    var peer: PeerAddress { lower.peer }
    private var isOpen: Bool { if case .open = state { true } else { false } }

    private init(_ lower: SocketConnection, _ session: TLSSession, _ purpose: Purpose) {
        self.lower = lower
        lowerWriteHalf = WriteHalf(lower)
        self.session = session
        state = .handshaking(purpose)
    }

    /// Begins the handshake on a fresh connection; `purpose` hears how it ends, later or, for a failure, at once.
    static func start(
        on lower: SocketConnection, _ session: TLSSession, _ purpose: Purpose, deadline: MonotonicInstant
    ) {
        let connection = TLSConnection(lower, session, purpose)
        lower.handler = connection
        lower.setDeadline(deadline)
        lower.start()
        connection.continueHandshake()
        connection.sendOutbox()
    }

    // MARK: From the socket

    func received(_ bytes: MutableByteView) {
        session.withInput(bytes.readOnly) {
            if case .handshaking = state { continueHandshake() }
            if isOpen { readPlaintext() }
        }
        sendOutbox()
    }

    private func continueHandshake() {
        guard case .handshaking(let purpose) = state else { return }
        switch session.handshake() {
        case .needsInput:
            break
        case .done:
            state = .open
            lower.setDeadline(nil)
            switch purpose {
            case .accepting(let acceptor): acceptor.accepted(self, writeHalf: WriteHalf(self))
            case .dialing(let operation): operation.secured(self, WriteHalf(self))
            }
            if handler == nil { close() }
        case .finished:
            fail("the peer ended the TLS handshake")
        case .failed(let reason):
            fail(reason)
        }
    }

    private func readPlaintext() {
        let target = lower.environment.plaintextTarget()
        let capacity = ShardEnvironment.readBufferByteCount
        var count = 0
        while isOpen {
            switch session.read(into: target + count, capacity: capacity - count) {
            case .done(let more):
                count += more
                if count == capacity { deliver(target, &count) }
            case .needsInput:
                deliver(target, &count)
                return
            case .finished:
                deliver(target, &count)
                peerHasFinished()
                return
            case .failed(let reason):
                deliver(target, &count)
                fail(reason)
                return
            }
        }
    }

    private func deliver(_ bytes: UnsafeMutablePointer<UInt8>, _ count: inout Int) {
        guard count > 0, isOpen, case .open = readSide else { return }
        let view = MutableByteView(base: bytes, count: count)
        count = 0
        handler?.received(view)
    }

    private func peerHasFinished() {
        guard isOpen, case .open = readSide else { return }
        readSide = .finished
        handler?.peerFinished()
    }

    func peerFinished() {
        // After close_notify the end of TCP says nothing new. Without it, somebody may have cut the stream.
        if isOpen, case .finished = readSide { return }
        fail("the connection ended without close_notify")
    }

    func flush() { if isOpen { handler?.flush() } }

    func writeCompleted() {
        isLowerInFlight = false
        sendOutbox()
        guard isOpen, !isLowerInFlight, session.output.isEmpty else { return }
        let finished = outflow
        outflow = .idle
        if case .batch = finished { handler?.writeCompleted() }
    }

    func deadlineReached() {
        switch state {
        case .handshaking: fail("the TLS handshake took too long")
        case .open: handler?.deadlineReached()
        case .ended: break
        }
    }

    func closed(_ end: ConnectionEnd) {
        let previous = state
        state = .ended
        switch previous {
        case .handshaking(let purpose):
            let reason = if case .failed(let reason) = end { reason } else { "the connection was closed" }
            report(purpose, reason)
        case .open, .ended:
            break
        }
        let handler = handler
        self.handler = nil
        handler?.closed(end)
    }

    // MARK: To the socket

    func write(_ batch: ByteView) -> WriteOutcome {
        guard isOpen, case .open = writeSide else { return .closed }
        if case .batch = outflow { preconditionFailure("a batch was written while one is in flight") }
        guard !batch.isEmpty else { return .written }
        if case .failed(let reason) = session.write(batch) {
            fail(reason)
            return .closed
        }
        sendOutbox()
        guard isOpen else { return .closed }
        guard isLowerInFlight else { return .written }
        outflow = .batch
        return .inFlight
    }

    /// Moves the outbox to the socket as far as it takes it.
    private func sendOutbox() {
        while !isLowerInFlight, !session.output.isEmpty {
            let batch = session.output.view.prefix(WriteHalf.batchByteCount)
            let count = batch.count
            let outcome = lowerWriteHalf.write(batch)
            session.output.consume(count)
            switch outcome {
            case .written:
                break
            case .inFlight:
                isLowerInFlight = true
                if case .idle = outflow { outflow = .ownBytes }
            case .closed:
                session.output.removeAll()
                return
            }
        }
        if isLowerInFlight {
            if isOpen, session.output.count > Self.outboxByteCount { fail("the peer does not read TLS messages") }
            return
        }
        session.output.releaseIfEmpty()
        if case .finished = writeSide { lower.finishWriting() }
    }

    func requestFlush() { if isOpen { lower.requestFlush() } }
    func setDeadline(_ deadline: MonotonicInstant?) { if isOpen { lower.setDeadline(deadline) } }
    func pauseReading() { if isOpen { lower.pauseReading() } }
    func resumeReading() { if isOpen { lower.resumeReading() } }

    func finishWriting() {
        guard isOpen, case .open = writeSide else { return }
        writeSide = .finished
        session.finishWriting()
        sendOutbox()
    }

    func close() {
        guard isOpen else { return }
        session.finishWriting()
        sendOutbox()
        state = .ended
        lower.close()
    }

    /// Ends the connection with a fault of TLS; OpenSSL has put the alert that fits into the outbox.
    private func fail(_ reason: String) {
        let previous = state
        state = .ended
        sendOutbox()
        if case .handshaking(let purpose) = previous { report(purpose, reason) }
        lower.end(.failed(reason: "TLS: \(reason)"))
    }

    private func report(_ purpose: Purpose, _ reason: String) {
        switch purpose {
        case .accepting:
            lower.environment.log(
                LogRecord(
                    .info, "tls_handshake_failed",
                    [("peer", .string(lower.address.host)), ("reason", .string(reason))]))
        case .dialing(let operation):
            operation.securingFailed(reason)
        }
    }
}

@available(*, unavailable) extension TLSConnection: Sendable {}
