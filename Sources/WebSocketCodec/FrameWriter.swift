package import Primitives

/// The one writer of a WebSocket connection: it consumes the ``WriteHalf``, so every byte to the peer goes through it,
/// whole frame after whole frame (docs/protocol.md, "The writer rule").
///
///     queueText ─▶ ┌ messages: text, text, … ┐
///     queueClose ─▶│            …, Close last │─▶ batch, at most one in flight ─▶ WriteHalf
///     queuePong ─▶ └ controls: PONG, PING, … ┘
///
/// Queueing only appends; ``flush(now:)``, at the end of the owner's turn, hands batches over for as long as the socket
/// takes them at once. A batch that it does not take at once gets a deadline of its own, which progress does not extend;
/// while nothing is in flight there is none. The owner calls ``deadlineReached(now:)`` at ``nextDeadline`` and closes
/// the connection on ``Progress/finished(_:)``, which is told once.
package struct FrameWriter: ~Copyable {
    private let limits: Limits
    private let writeHalf: WriteHalf
    private var queue: OutgoingQueue
    private var state = WriterState.open(.nothing, peer: .awaited)

    /// PINGs of this side that may wait: one is answered for all, so more than a few would tell nothing new.
    private static let waitingPingCount = 16
    /// 125 bytes of payload less the code.
    private static let closeReasonByteCount = 123

    /// - Parameter maskSeed: for a client's masking keys; 64 bits of a secure source. Ignored for a server.
    package init(role: WebSocketRole, limits: Limits, writeHalf: consuming WriteHalf, maskSeed: UInt64 = 0) {
        self.limits = limits
        self.writeHalf = writeHalf
        queue = OutgoingQueue(role: role, maskSeed: maskSeed)
    }

    /// Texts whose last byte has not been handed to the socket yet.
    package var waitingMessageCount: Int { queue.textCount }
    /// Bytes of all frames that have not been handed to the socket yet.
    package var waitingByteCount: Int { queue.byteCount }
    package var waitingPongCount: Int { queue.pongCount }
    /// Memory held; none while nothing waits.
    package var allocatedByteCount: Int { queue.allocatedByteCount }
    /// Whether only a Close can still be queued, or not even that.
    package var isClosing: Bool { !state.isOpen }
    /// When ``deadlineReached(now:)`` is due: the write deadline of the batch in flight, or the end of the wait for the
    /// peer's Close; nil otherwise.
    package var nextDeadline: MonotonicInstant? { state.nextDeadline }
}

// MARK: - Queueing

extension FrameWriter {
    /// Queues one whole text message. `body` appends the payload (UTF-8) straight behind the room left for the header,
    /// so the payload is copied again only if `estimatedByteCount` was in another of the three length classes.
    ///
    /// - Throws: ``Refusal/backpressure`` with the message over the count, before `body` is called, or over the bytes;
    ///   ``Refusal/messageTooBig``; ``Refusal/closing``. Then nothing is queued. An owner that queues many messages in
    ///   one turn may flush and try again: what the socket takes at once does not wait.
    @inline(__always)
    package mutating func queueText(
        estimatedByteCount: Int, _ body: (inout ByteQueue) -> Void
    ) throws(Refusal) {
        try queueMessage(.text, estimatedByteCount: estimatedByteCount, body)
    }

    /// The same for a binary message, which counts as a text does. The provider protocol has none.
    package mutating func queueBinary(_ payload: ByteView) throws(Refusal) {
        try queueMessage(.binary, estimatedByteCount: payload.count) { $0.append(payload) }
    }

    @inline(__always)
    private mutating func queueMessage(
        _ opcode: Opcode, estimatedByteCount: Int, _ body: (inout ByteQueue) -> Void
    ) throws(Refusal) {
        guard state.isOpen else { throw .closing }
        guard queue.textCount < limits.waitingMessageCount else { throw .backpressure }
        let estimate = min(max(0, estimatedByteCount), limits.messageByteCount)
        let (messageLimit, byteLimit) = (limits.messageByteCount, limits.waitingByteCount - queue.messageByteCount)
        try queue.appendMessage(opcode, estimatedByteCount: estimate, body) { payloadByteCount throws(Refusal) in
            guard payloadByteCount <= messageLimit else { throw .messageTooBig }
            guard payloadByteCount <= byteLimit else { throw .backpressure }
        }
    }

    /// - Parameter payload: at most 125 bytes; what is longer is cut.
    package mutating func queuePing(_ payload: ByteView) throws(Refusal) {
        guard state.isOpen else { throw .closing }
        guard queue.pingCount < Self.waitingPingCount else { throw .backpressure }
        queue.appendPing(payload.prefix(OutgoingFrame.maximumControlPayloadByteCount))
    }

    /// Queues the answer to a PING. It overtakes whole texts, never splits one.
    ///
    /// - Parameter payload: the PING's, at most 125 bytes; what is longer is cut.
    /// - Throws: ``Refusal/tooManyPongs`` when the peer sends PINGs and does not read: the owner then closes with
    ///   ``CloseCode/policyViolation``. ``Refusal/closing``: no PONG follows a Close.
    package mutating func queuePong(_ payload: ByteView) throws(Refusal) {
        guard state.isOpen else { throw .closing }
        let payload = payload.prefix(OutgoingFrame.maximumControlPayloadByteCount)
        guard queue.pongCount < limits.waitingPongCount,
            queue.pongByteCount + queue.frameByteCount(ofControlPayload: payload.count) <= limits.waitingPongByteCount
        else { throw .tooManyPongs }
        queue.appendPong(payload)
    }

    /// Queues the Close behind all that waits, waiting PONGs too; whatever is queued after it is refused. A second Close
    /// changes nothing: the first cause stands. It is never refused for want of room, since it is what ends a full queue.
    ///
    /// - Parameter code: nil, or a code that must not be sent, makes a Close without payload.
    /// - Parameter reason: cut to 123 bytes at a character boundary.
    package mutating func queueClose(_ code: CloseCode?, reason: String = "") {
        guard state.closeQueued() else { return }
        guard let code, code.isAllowedOnWire else { return queue.appendClose(.empty) }
        var payload = ByteQueue()
        payload.append(UInt8(code.rawValue >> 8))
        payload.append(UInt8(code.rawValue & 0xFF))
        withByteView(reason) { payload.append($0.prefix(Self.wholeCharacters(of: $0))) }
        queue.appendClose(payload.view)
    }

    /// The longest prefix that fits and does not end inside a character.
    private static func wholeCharacters(of text: ByteView) -> Int {
        guard text.count > closeReasonByteCount else { return text.count }
        var end = closeReasonByteCount
        while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }
}

// MARK: - Progress

extension FrameWriter {
    /// Hands over what waits, for as long as the socket takes it at once. Harmless while a batch is in flight.
    @inline(__always)
    package mutating func flush(now: MonotonicInstant) -> Progress {
        while state.mayWrite, let batch = queue.nextBatch() {
            let outcome = writeHalf.write(queue.view(of: batch))
            queue.remove(batch)
            let progress = state.batchHandedOver(outcome, endsWithClose: batch.endsWithClose, now: now, limits)
            if progress != .continue { return concluded(progress) }
        }
        return .continue
    }

    /// The batch in flight has left; goes on with the next one.
    package mutating func writeCompleted(now: MonotonicInstant) -> Progress {
        let progress = state.writeCompleted(now: now, limits)
        return progress == .continue ? flush(now: now) : concluded(progress)
    }

    /// Early, late and repeated calls are harmless.
    package mutating func deadlineReached(now: MonotonicInstant) -> Progress {
        concluded(state.deadlineReached(now: now))
    }

    /// The peer's Close came. If this side has sent none, the owner queues the echo (before or after this call) and
    /// flushes; nothing else can be queued any more.
    package mutating func closeReceived(now: MonotonicInstant) -> Progress {
        concluded(state.closeReceived())
    }

    private mutating func concluded(_ progress: Progress) -> Progress {
        if progress != .continue { queue.removeAll() }
        return progress
    }
}
