import Primitives

/// The header of a frame to be written (RFC 6455 section 5.2); always final, with the shortest form of the length.
struct OutgoingFrame: Sendable {
    static let maximumControlPayloadByteCount = 125

    var opcode: Opcode
    var payloadByteCount: Int
    /// nil for a server's frame.
    var maskingKey: MaskingKey?

    var byteCount: Int {
        Self.headerByteCount(payload: payloadByteCount, isMasked: maskingKey != nil) + payloadByteCount
    }

    static func headerByteCount(payload: Int, isMasked: Bool) -> Int {
        (payload <= 125 ? 2 : payload <= 0xFFFF ? 4 : 10) + (isMasked ? MaskingKey.byteCount : 0)
    }

    /// Writes the header where `frame` points and masks the payload that stands behind it.
    @inline(__always)
    func complete(at frame: UnsafeMutablePointer<UInt8>) {
        let maskBit: UInt8 = maskingKey == nil ? 0 : 0x80
        frame[0] = 0x80 | opcode.rawValue
        var next = frame + 2
        if payloadByteCount <= 125 {
            frame[1] = maskBit | UInt8(truncatingIfNeeded: payloadByteCount)
        } else if payloadByteCount <= 0xFFFF {
            frame[1] = maskBit | 126
            let length = UInt16(truncatingIfNeeded: payloadByteCount).bigEndian
            UnsafeMutableRawPointer(next).storeBytes(of: length, as: UInt16.self)
            next += 2
        } else {
            frame[1] = maskBit | 127
            UnsafeMutableRawPointer(next).storeBytes(of: UInt64(payloadByteCount).bigEndian, as: UInt64.self)
            next += 8
        }
        if let maskingKey {
            maskingKey.write(to: next)
            maskingKey.apply(to: next + MaskingKey.byteCount, count: payloadByteCount)
        }
    }

    /// Reads back the length of a frame that ``complete(at:)`` has written at the front of `bytes`.
    @inline(__always)
    static func byteCount(ofFrameAt bytes: ByteView) -> Int {
        let short = Int(bytes[1] & 0x7F)
        let maskByteCount = bytes[1] & 0x80 == 0 ? 0 : MaskingKey.byteCount
        if short <= 125 { return 2 + maskByteCount + short }
        if short == 126 { return 4 + maskByteCount + (Int(bytes[2]) << 8 | Int(bytes[3])) }
        let length = UnsafeRawPointer(bytes[2..<10].base).loadUnaligned(as: UInt64.self)
        return 10 + maskByteCount + Int(truncatingIfNeeded: UInt64(bigEndian: length))
    }
}
