import Primitives

/// Whole frames that wait for the socket, and the order in which they go.
///
///     controls   [PONG][PING][PONG]…            go first, wherever a frame ends
///     messages   …rest][text][text]…[Close]     a text that has begun to leave is finished before anything else
///
/// Frames lie back to back and tell their own length, so there is no list beside the bytes. A batch is a prefix of one
/// of the two queues. Nothing is queued behind a Close, and it stands at the end of `messages`, behind the last control
/// frame too: the controls go first.
struct OutgoingQueue: ~Copyable {
    /// A prefix of one queue, about to be handed over.
    struct Batch: Equatable {
        enum Source { case controls, messages }
        var source: Source
        var byteCount = 0
        var textCount = 0
        var pongCount = 0
        var pongByteCount = 0
        var pingCount = 0
        /// Of the frame that the batch cuts, what stays behind.
        var remainder = 0
        var endsWithClose = false
    }

    private let role: WebSocketRole
    private var masks: SeededRandom
    private var controls = ByteQueue()
    private var messages = ByteQueue()
    /// What is left of the frame at the front of `messages` whose beginning has left already.
    private var remainder = 0

    /// Texts of which at least the last byte waits.
    private(set) var textCount = 0
    private(set) var pongCount = 0
    private(set) var pongByteCount = 0
    private(set) var pingCount = 0

    init(role: WebSocketRole, maskSeed: UInt64) {
        self.role = role
        masks = SeededRandom(seed: maskSeed)
    }

    var byteCount: Int { controls.count + messages.count }
    var messageByteCount: Int { messages.count }
    var allocatedByteCount: Int { controls.allocatedByteCount + messages.allocatedByteCount }

    /// Appends one text or binary message; `body` writes the payload behind the room left for the header. Nothing
    /// is queued if `check` refuses the payload's length.
    @inline(__always)
    mutating func appendMessage<Refusal: Error>(
        _ opcode: Opcode, estimatedByteCount: Int, _ body: (inout ByteQueue) -> Void,
        check: (Int) throws(Refusal) -> Void
    ) throws(Refusal) {
        let start = messages.count
        let isMasked = role == .client
        let room = OutgoingFrame.headerByteCount(payload: estimatedByteCount, isMasked: isMasked)
        _ = messages.reserve(room + estimatedByteCount)
        messages.commit(room)
        body(&messages)
        precondition(messages.count >= start + room, "more taken away than was written")
        let payloadByteCount = messages.count - start - room
        do throws(Refusal) { try check(payloadByteCount) } catch {
            messages.truncate(to: start)
            messages.releaseIfEmpty()
            throw error
        }
        let headerByteCount = OutgoingFrame.headerByteCount(payload: payloadByteCount, isMasked: isMasked)
        if headerByteCount != room { messages.shift(from: start + room, by: headerByteCount - room) }
        textCount += 1
        guard let content = messages.mutableView else { return }
        OutgoingFrame(opcode: opcode, payloadByteCount: payloadByteCount, maskingKey: nextMaskingKey())
            .complete(at: content.base + start)
    }

    mutating func appendPong(_ payload: ByteView) {
        let byteCount = Self.append(.pong, payload, nextMaskingKey(), to: &controls)
        pongCount += 1
        pongByteCount += byteCount
    }

    mutating func appendPing(_ payload: ByteView) {
        _ = Self.append(.ping, payload, nextMaskingKey(), to: &controls)
        pingCount += 1
    }

    mutating func appendClose(_ payload: ByteView) {
        _ = Self.append(.close, payload, nextMaskingKey(), to: &messages)
    }

    func frameByteCount(ofControlPayload byteCount: Int) -> Int {
        OutgoingFrame.headerByteCount(payload: byteCount, isMasked: role == .client) + byteCount
    }

    private static func append(
        _ opcode: Opcode, _ payload: ByteView, _ maskingKey: MaskingKey?, to queue: inout ByteQueue
    ) -> Int {
        let frame = OutgoingFrame(opcode: opcode, payloadByteCount: payload.count, maskingKey: maskingKey)
        let start = queue.reserve(frame.byteCount)
        queue.commit(frame.byteCount - payload.count)
        queue.append(payload)
        frame.complete(at: start)
        return frame.byteCount
    }

    @inline(__always)
    private mutating func nextMaskingKey() -> MaskingKey? {
        role == .client ? MaskingKey(word: UInt32(truncatingIfNeeded: masks.next())) : nil
    }
}

// MARK: - Batches

extension OutgoingQueue {
    /// The bytes that go next, or nil if none wait. Nothing changes before ``remove(_:)``.
    @inline(__always)
    func nextBatch() -> Batch? {
        if remainder > 0 { return messageBatch() }
        if !controls.isEmpty { return controlBatch() }
        return messages.isEmpty ? nil : messageBatch()
    }

    @inline(__always)
    func view(of batch: Batch) -> ByteView {
        switch batch.source {
        case .controls: controls.view.prefix(batch.byteCount)
        case .messages: messages.view.prefix(batch.byteCount)
        }
    }

    /// The batch was handed over. Memory that holds nothing any more is given back at once: an idle writer owns none.
    @inline(__always)
    mutating func remove(_ batch: Batch) {
        switch batch.source {
        case .controls:
            controls.consume(batch.byteCount)
            controls.releaseIfEmpty()
            pongCount -= batch.pongCount
            pingCount -= batch.pingCount
            pongByteCount -= batch.pongByteCount
        case .messages:
            messages.consume(batch.byteCount)
            messages.releaseIfEmpty()
            textCount -= batch.textCount
            remainder = batch.remainder
        }
    }

    mutating func removeAll() {
        controls.removeAll()
        messages.removeAll()
        (remainder, textCount, pongCount, pongByteCount, pingCount) = (0, 0, 0, 0, 0)
    }

    /// Control frames are short: they are never cut.
    private func controlBatch() -> Batch {
        var batch = Batch(source: .controls)
        let content = controls.view
        while batch.byteCount < content.count {
            let frame = content.dropFirst(batch.byteCount)
            let byteCount = OutgoingFrame.byteCount(ofFrameAt: frame)
            guard batch.byteCount + byteCount <= WriteHalf.batchByteCount else { break }
            batch.byteCount += byteCount
            if frame[0] & 0xF == Opcode.pong.rawValue {
                batch.pongCount += 1
                batch.pongByteCount += byteCount
            } else {
                batch.pingCount += 1
            }
        }
        return batch
    }

    /// As many whole frames as fit, so that a control frame need not wait for more than it must; a frame is cut only
    /// where it alone is longer than a batch.
    @inline(__always)
    private func messageBatch() -> Batch {
        var batch = Batch(source: .messages)
        let content = messages.view
        if remainder > 0 {
            guard remainder <= WriteHalf.batchByteCount else {
                batch.byteCount = WriteHalf.batchByteCount
                batch.remainder = remainder - WriteHalf.batchByteCount
                return batch
            }
            batch.byteCount = remainder
            batch.textCount = 1
            guard controls.isEmpty else { return batch }
        }
        while batch.byteCount < content.count {
            let frame = content.dropFirst(batch.byteCount)
            let byteCount = OutgoingFrame.byteCount(ofFrameAt: frame)
            if batch.byteCount + byteCount <= WriteHalf.batchByteCount {
                batch.byteCount += byteCount
                if frame[0] & 0xF == Opcode.close.rawValue { batch.endsWithClose = true } else { batch.textCount += 1 }
            } else {
                if batch.byteCount == 0 {
                    batch.byteCount = WriteHalf.batchByteCount
                    batch.remainder = byteCount - WriteHalf.batchByteCount
                }
                break
            }
        }
        return batch
    }
}
