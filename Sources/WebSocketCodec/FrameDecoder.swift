package import Primitives

/// Turns the bytes of one peer into messages and control frames (RFC 6455 section 5), strictly.
///
///     header ──whole frame in the input──▶ event, no copy
///       │ ▲
///       │ └──── rest of the payload ───── data, control ◀── payload cut by a read, or fragmented: kept in a buffer
///       ▼
///     ended: a Close came, or a rule was broken
///
/// What a peer can make it hold is one message up to the limit and one control frame. A fault is found at the first byte
/// that proves it: in the header before any payload is kept, in text as it comes.
package struct FrameDecoder: ~Copyable {
    private enum Stage {
        case header(FrameHeaderPrefix)
        case data(FrameHeader, received: Int)
        case control(FrameHeader)
        /// The last event lies in a buffer, which is let go with the next call.
        case delivered
        case ended
    }

    private enum Assembly {
        case none
        case text(UTF8Validator)
        case binary
    }

    private let role: WebSocketRole
    private let maxMessageByteCount: Int
    private var stage = Stage.header(FrameHeaderPrefix())
    private var assembly = Assembly.none
    private var messageBytes = ByteQueue()
    private var controlBytes = ByteQueue()

    /// - Parameter maxMessageByteCount: the most bytes of one message, all its fragments together.
    package init(role: WebSocketRole, maxMessageByteCount: Int) {
        self.role = role
        self.maxMessageByteCount = max(0, maxMessageByteCount)
    }

    /// Bytes of unfinished frames and messages kept inside.
    package var heldByteCount: Int {
        switch stage {
        case .header(let prefix): prefix.count + messageBytes.count
        case .data, .control: messageBytes.count + controlBytes.count
        case .delivered, .ended: 0
        }
    }

    /// Takes the next event off the front of `input`, whose bytes are unmasked in place; a frame that lies in it whole is
    /// delivered without a copy. nil: all of `input` was taken, more is needed. The views in an event are valid until the
    /// next call. After a Close, and after it threw, there are no more events, whatever comes.
    package mutating func next(_ input: inout MutableByteView) throws(WebSocketError) -> WebSocketEvent? {
        if case .delivered = stage { releaseDelivered() }
        do throws(WebSocketError) {
            while !input.isEmpty {
                if let event = try advance(&input) { return event }
            }
            return nil
        } catch {
            stage = .ended
            messageBytes.removeAll()
            controlBytes.removeAll()
            input = input.dropFirst(input.count)
            throw error
        }
    }

    /// One step; with no event it has either taken a whole frame or all of `input`.
    @inline(__always)
    private mutating func advance(_ input: inout MutableByteView) throws(WebSocketError) -> WebSocketEvent? {
        switch stage {
        case .header(let prefix):
            guard let header = try takeHeader(prefix, &input) else { return nil }
            return try begin(header, &input)
        case .data(let header, let received):
            return try takeData(header, received: received, &input)
        case .control(let header):
            return try takeControl(header, &input)
        case .delivered, .ended:
            input = input.dropFirst(input.count)
            return nil
        }
    }

    @inline(__always)
    private mutating func takeHeader(
        _ prefix: FrameHeaderPrefix, _ input: inout MutableByteView
    ) throws(WebSocketError) -> FrameHeader? {
        guard prefix.count == 0 else { return try completeHeader(prefix, &input) }
        guard let header = try FrameHeader.parse(input.readOnly, headerContext) else {
            return try completeHeader(prefix, &input)
        }
        input = input.dropFirst(header.byteCount)
        return header
    }

    @inline(never)
    private mutating func completeHeader(
        _ prefix: FrameHeaderPrefix, _ input: inout MutableByteView
    ) throws(WebSocketError) -> FrameHeader? {
        var prefix = prefix
        while !input.isEmpty {
            prefix.append(input[0])
            input = input.dropFirst(1)
            if let header = try prefix.parse(headerContext) {
                stage = .header(FrameHeaderPrefix())
                return header
            }
        }
        stage = .header(prefix)
        return nil
    }

    private var headerContext: FrameHeader.Context {
        @inline(__always) get {
            let isAssembling = if case .none = assembly { false } else { true }
            return FrameHeader.Context(
                role: role, isAssembling: isAssembling, roomByteCount: maxMessageByteCount - messageBytes.count)
        }
    }

    @inline(__always)
    private mutating func begin(
        _ header: FrameHeader, _ input: inout MutableByteView
    ) throws(WebSocketError) -> WebSocketEvent? {
        let isWhole = header.payloadByteCount <= input.count
        switch header.opcode {
        case .text:
            if header.isFinal, isWhole {
                let (payload, isASCII) = takeWholePayload(header, &input)
                guard isASCII || UTF8Validator.isValid(payload) else { throw .invalidUTF8 }
                return .text(payload)
            }
            assembly = .text(UTF8Validator())
        case .binary:
            if header.isFinal, isWhole { return .binary(takeWholePayload(header, &input).payload) }
            assembly = .binary
        case .continuation:
            break
        case .close, .ping, .pong:
            guard isWhole else { return try takeControl(header, &input) }
            return try controlEvent(header.opcode, takeWholePayload(header, &input).payload)
        }
        return try takeData(header, received: 0, &input)
    }

    @inline(__always)
    private func takeWholePayload(
        _ header: FrameHeader, _ input: inout MutableByteView
    ) -> (payload: ByteView, isASCII: Bool) {
        let payload = input.prefix(header.payloadByteCount)
        input = input.dropFirst(header.payloadByteCount)
        return (payload.readOnly, unmask(payload, header.maskingKey))
    }

    /// Tells whether the bytes are ASCII; "no" may be wrong where nothing had to be unmasked.
    @inline(__always)
    private func unmask(_ bytes: MutableByteView, _ key: MaskingKey) -> Bool {
        role == .server && key.apply(to: bytes.base, count: bytes.count)
    }

    private mutating func takeData(
        _ header: FrameHeader, received: Int, _ input: inout MutableByteView
    ) throws(WebSocketError) -> WebSocketEvent? {
        let piece = input.prefix(header.payloadByteCount - received)
        input = input.dropFirst(piece.count)
        let isASCII = unmask(piece, header.maskingKey.advanced(by: received))
        if case .text(var validator) = assembly, !(isASCII && validator.isAtBoundary) {
            guard validator.accept(piece.readOnly) else { throw .invalidUTF8 }
            assembly = .text(validator)
        }
        messageBytes.append(piece.readOnly)
        guard received + piece.count == header.payloadByteCount else {
            stage = .data(header, received: received + piece.count)
            return nil
        }
        stage = .header(FrameHeaderPrefix())
        return header.isFinal ? try finishMessage() : nil
    }

    private mutating func finishMessage() throws(WebSocketError) -> WebSocketEvent? {
        let finished = assembly
        assembly = .none
        stage = .delivered
        // A message of empty fragments, too, has its padding behind it.
        _ = messageBytes.reserve(1)
        switch finished {
        case .none: return nil
        case .binary: return .binary(messageBytes.view)
        case .text(let validator):
            guard validator.isAtBoundary else { throw .invalidUTF8 }
            return .text(messageBytes.view)
        }
    }

    private mutating func takeControl(
        _ header: FrameHeader, _ input: inout MutableByteView
    ) throws(WebSocketError) -> WebSocketEvent? {
        let piece = input.prefix(header.payloadByteCount - controlBytes.count)
        input = input.dropFirst(piece.count)
        _ = unmask(piece, header.maskingKey.advanced(by: controlBytes.count))
        controlBytes.append(piece.readOnly)
        guard controlBytes.count == header.payloadByteCount else {
            stage = .control(header)
            return nil
        }
        stage = .delivered
        return try controlEvent(header.opcode, controlBytes.view)
    }

    private mutating func controlEvent(
        _ opcode: Opcode, _ payload: ByteView
    ) throws(WebSocketError) -> WebSocketEvent {
        switch opcode {
        case .ping: return .ping(payload)
        case .pong: return .pong(payload)
        case .close, .continuation, .text, .binary: break
        }
        stage = .ended
        messageBytes.removeAll()
        guard !payload.isEmpty else { return .close(code: nil, reason: payload) }
        guard payload.count >= 2 else { throw .protocolError("close payload of one byte") }
        let code = CloseCode(rawValue: UInt16(payload[0]) << 8 | UInt16(payload[1]))
        guard code.isAllowedOnWire else { throw .protocolError("close code not allowed") }
        let reason = payload.dropFirst(2)
        guard UTF8Validator.isValid(reason) else { throw .invalidUTF8 }
        return .close(code: code, reason: reason)
    }

    /// The one buffer that held the event: a message is never delivered while a control frame is unfinished, and a
    /// control frame within a message leaves the message alone.
    private mutating func releaseDelivered() {
        stage = .header(FrameHeaderPrefix())
        controlBytes.removeAll()
        if case .none = assembly { messageBytes.removeAll() }
    }
}
