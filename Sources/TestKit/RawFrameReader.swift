/// One WebSocket frame as it stood on the wire, unmasked.
package struct RawFrame: Equatable, Sendable {
    package var isFinal: Bool
    package var opcode: UInt8
    package var isMasked: Bool
    package var payload: [UInt8]

    package static let text: UInt8 = 0x1
    package static let close: UInt8 = 0x8
    package static let ping: UInt8 = 0x9
    package static let pong: UInt8 = 0xA

    package init(isFinal: Bool = true, opcode: UInt8, isMasked: Bool = false, payload: [UInt8]) {
        self.isFinal = isFinal
        self.opcode = opcode
        self.isMasked = isMasked
        self.payload = payload
    }

    package var payloadText: String { String(decoding: payload, as: UTF8.self) }

    /// Of a Close frame: nil without one, and on other frames.
    package var closeCode: UInt16? {
        guard opcode == Self.close, payload.count >= 2 else { return nil }
        return UInt16(payload[0]) << 8 | UInt16(payload[1])
    }

    package var closeReason: String {
        opcode == Self.close ? String(decoding: payload.dropFirst(2), as: UTF8.self) : ""
    }

    /// The bytes of this frame, with `key` where it is masked.
    package func encoded(key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]) -> [UInt8] {
        var bytes = [(isFinal ? 0x80 : 0) | opcode]
        let maskBit: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ...125:
            bytes.append(maskBit | UInt8(payload.count))
        case ...0xFFFF:
            bytes.append(maskBit | 126)
            bytes += [UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            bytes.append(maskBit | 127)
            for place in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(payload.count >> place & 0xFF)) }
        }
        guard isMasked else { return bytes + payload }
        return bytes + key + payload.enumerated().map { $0.element ^ key[$0.offset % 4] }
    }
}

/// Reads frames for tests, slowly and on its own: it shares no code with the codec that it checks.
///
/// It wants every frame well-formed (RFC 6455 section 5.2) and wants each message in one frame, as the product writes
/// them. A frame that stands inside another shows as a fault here, or as a payload that nobody sent.
package struct RawFrameReader: Sendable {
    package enum Fault: Error, Equatable, Sendable {
        case reservedBits(UInt8)
        case unknownOpcode(UInt8)
        case fragment
        case wrongMaskDirection
        case lengthNotMinimal(UInt64)
        case controlPayloadTooLong(UInt64)
        case frameTooLong(UInt64)
        case invalidUTF8
        /// Bytes after a Close frame.
        case afterClose
    }

    private let expectsMask: Bool
    private let longestPayload: UInt64
    private var bytes: [UInt8] = []
    private var start = 0
    private var closeSeen = false

    /// - Parameter expectsMask: true where the writer under test is a client.
    package init(expectsMask: Bool, longestPayload: UInt64 = 64 * 1024 * 1024) {
        self.expectsMask = expectsMask
        self.longestPayload = longestPayload
    }

    /// Bytes of a frame that is not whole yet. Zero once everything made sense.
    package var leftover: Int { bytes.count - start }

    package mutating func append(_ more: [UInt8]) { more.withUnsafeBytes { append($0) } }

    package mutating func append(_ more: UnsafeRawBufferPointer) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            start = 0
        } else if start > 64 * 1024 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: more)
    }

    /// All whole frames among `more` and what was left before it.
    package mutating func frames(_ more: [UInt8]) throws(Fault) -> [RawFrame] {
        append(more)
        var frames: [RawFrame] = []
        while let frame = try next() { frames.append(frame) }
        return frames
    }

    /// The next whole frame, or nil.
    package mutating func next() throws(Fault) -> RawFrame? {
        guard let place = try nextPlace() else { return nil }
        var payload = Array(bytes[place.payload])
        if expectsMask {
            for index in payload.indices { payload[index] ^= bytes[place.payload.lowerBound - 4 + index % 4] }
        }
        try finish(place, payload)
        return RawFrame(isFinal: true, opcode: place.opcode, isMasked: expectsMask, payload: payload)
    }

    /// Lends the next whole frame, unmasked as a server sends it, to `body`. False when there is none.
    package mutating func next(
        _ body: (_ opcode: UInt8, _ payload: UnsafeRawBufferPointer) -> Void
    ) throws(Fault) -> Bool {
        guard !expectsMask else { throw .wrongMaskDirection }
        guard let place = try nextPlace() else { return false }
        try finish(place, bytes[place.payload])
        bytes.withUnsafeBytes { body(place.opcode, UnsafeRawBufferPointer(rebasing: $0[place.payload])) }
        return true
    }

    private struct Place {
        var opcode: UInt8
        var payload: Range<Int>
    }

    private func nextPlace() throws(Fault) -> Place? {
        let count = bytes.count - start
        guard count >= 2 else { return nil }
        guard !closeSeen else { throw .afterClose }
        let first = bytes[start]
        let second = bytes[start + 1]
        guard first & 0x70 == 0 else { throw .reservedBits(first >> 4 & 7) }
        let opcode = first & 0x0F
        switch opcode {
        case 0x0, 0x1, 0x2, 0x8, 0x9, 0xA: break
        default: throw .unknownOpcode(opcode)
        }
        guard first & 0x80 != 0, opcode != 0 else { throw .fragment }
        guard (second & 0x80 != 0) == expectsMask else { throw .wrongMaskDirection }

        let short = second & 0x7F
        let lengthByteCount = short < 126 ? 0 : short == 126 ? 2 : 8
        guard count >= 2 + lengthByteCount else { return nil }
        var length = UInt64(short)
        if lengthByteCount > 0 {
            length = 0
            for place in 0..<lengthByteCount { length = length << 8 | UInt64(bytes[start + 2 + place]) }
            guard length > (short == 126 ? 125 : 0xFFFF) else { throw .lengthNotMinimal(length) }
        }
        if opcode >= 8, length > 125 { throw .controlPayloadTooLong(length) }
        guard length <= longestPayload else { throw .frameTooLong(length) }

        let payloadStart = start + 2 + lengthByteCount + (expectsMask ? 4 : 0)
        guard bytes.count - payloadStart >= Int(length) else { return nil }
        return Place(opcode: opcode, payload: payloadStart..<payloadStart + Int(length))
    }

    private mutating func finish(_ place: Place, _ payload: some Collection<UInt8>) throws(Fault) {
        if place.opcode == RawFrame.text || place.opcode == RawFrame.close {
            let text = place.opcode == RawFrame.close ? Array(payload.dropFirst(2))[...] : Array(payload)[...]
            guard text.allSatisfy({ $0 < 0x80 }) || String(validating: text, as: UTF8.self) != nil else {
                throw .invalidUTF8
            }
        }
        start = place.payload.upperBound
        closeSeen = place.opcode == RawFrame.close
    }
}
