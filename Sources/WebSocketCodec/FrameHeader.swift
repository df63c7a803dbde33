import Primitives

/// What stands before a frame's payload (RFC 6455 section 5.2), read and checked.
struct FrameHeader: Sendable {
    static let maximumByteCount = 14

    var isFinal: Bool
    var opcode: Opcode
    var payloadByteCount: Int
    /// Zero, which changes nothing, on frames from a server.
    var maskingKey: MaskingKey
    /// Of the header itself.
    var byteCount: Int

    /// What the frame has to fit in with.
    struct Context {
        var role: WebSocketRole
        /// Whether an unfinished message waits for a continuation.
        var isAssembling: Bool
        /// What the message may still grow by.
        var roomByteCount: Int
    }

    /// Reads the header at the front of `bytes`; nil while it is not whole. Throws at the first byte that proves a
    /// fault, so no payload is stored, nor even waited for, behind a bad header.
    @inline(__always)
    static func parse(_ bytes: ByteView, _ context: Context) throws(WebSocketError) -> FrameHeader? {
        guard bytes.count >= 1 else { return nil }
        let first = bytes[0]
        guard first & 0x70 == 0 else { throw .protocolError("reserved bits set") }
        guard let opcode = Opcode(rawValue: first & 0x0F) else { throw .protocolError("unknown opcode") }
        let isFinal = first & 0x80 != 0
        if opcode.isControl {
            guard isFinal else { throw .protocolError("fragmented control frame") }
        } else if (opcode == .continuation) != context.isAssembling {
            throw .protocolError(context.isAssembling ? "continuation expected" : "unexpected continuation")
        }

        guard bytes.count >= 2 else { return nil }
        let second = bytes[1]
        guard (second & 0x80 != 0) == (context.role == .server) else {
            throw .protocolError(context.role == .server ? "unmasked frame" : "masked frame")
        }
        var length = Int(second & 0x7F)
        var byteCount = 2
        if length > 125 {
            guard !opcode.isControl else { throw .protocolError("control frame too long") }
            if length == 126 {
                guard bytes.count >= 4 else { return nil }
                length = Int(bytes[2]) << 8 | Int(bytes[3])
                byteCount = 4
                guard length > 125 else { throw .protocolError("length not minimal") }
            } else {
                guard bytes.count >= 3 else { return nil }
                guard bytes[2] & 0x80 == 0 else { throw .protocolError("length over 63 bits") }
                guard bytes.count >= 10 else { return nil }
                let raw = UnsafeRawPointer(bytes.base)
                length = Int(UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt64.self)))
                byteCount = 10
                guard length > 0xFFFF else { throw .protocolError("length not minimal") }
            }
        }
        if !opcode.isControl, length > context.roomByteCount { throw .tooBig }

        guard context.role == .server else {
            return FrameHeader(
                isFinal: isFinal, opcode: opcode, payloadByteCount: length, maskingKey: MaskingKey(word: 0),
                byteCount: byteCount)
        }
        guard bytes.count >= byteCount + MaskingKey.byteCount else { return nil }
        return FrameHeader(
            isFinal: isFinal, opcode: opcode, payloadByteCount: length,
            maskingKey: MaskingKey(bytes.base + byteCount), byteCount: byteCount + MaskingKey.byteCount)
    }
}

/// The beginning of a header that a read has cut.
struct FrameHeaderPrefix: Sendable {
    private var words: (UInt64, UInt64) = (0, 0)
    private(set) var count = 0

    mutating func append(_ byte: UInt8) {
        guard count < FrameHeader.maximumByteCount else { return }
        withUnsafeMutableBytes(of: &words) { $0[count] = byte }
        count += 1
    }

    func parse(_ context: FrameHeader.Context) throws(WebSocketError) -> FrameHeader? {
        let copy = words
        return try withUnsafeBytes(of: copy) { buffer throws(WebSocketError) in
            try FrameHeader.parse(ByteView(buffer).prefix(count), context)
        }
    }
}
