/// The four bytes that a client's payload is XORed with (RFC 6455 section 5.3).
struct MaskingKey: Sendable {
    static let byteCount = 4

    /// First byte of the key in the lowest byte.
    private let word: UInt32

    @inline(__always) init(word: UInt32) { self.word = word }

    @inline(__always) init(_ bytes: UnsafePointer<UInt8>) {
        word = UInt32(littleEndian: UnsafeRawPointer(bytes).loadUnaligned(as: UInt32.self))
    }

    @inline(__always) func write(to target: UnsafeMutablePointer<UInt8>) {
        UnsafeMutableRawPointer(target).storeBytes(of: word.littleEndian, as: UInt32.self)
    }

    /// The key as it applies from payload byte `offset` on.
    @inline(__always) func advanced(by offset: Int) -> MaskingKey {
        let shift = UInt32(truncatingIfNeeded: offset & 3) * 8
        return MaskingKey(word: word &>> shift | word &<< ((32 - shift) & 31))
    }

    /// XORs `count` bytes in place, 32 per step, and tells, since it looks at each byte anyway, whether all of them are
    /// ASCII after it.
    @inline(__always) @discardableResult
    func apply(to bytes: UnsafeMutablePointer<UInt8>, count: Int) -> Bool {
        let raw = UnsafeMutableRawPointer(bytes)
        let key = UInt64(word.littleEndian) << 32 | UInt64(word.littleEndian)
        let wideKey = SIMD4<UInt64>(repeating: key)
        var wideSeen = SIMD4<UInt64>(repeating: 0)
        var index = 0
        while count &- index >= 32 {
            let plain = raw.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self) ^ wideKey
            raw.storeBytes(of: plain, toByteOffset: index, as: SIMD4<UInt64>.self)
            wideSeen |= plain
            index &+= 32
        }
        var seen = wideSeen[0] | wideSeen[1] | wideSeen[2] | wideSeen[3]
        while count &- index >= 8 {
            let plain = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ key
            raw.storeBytes(of: plain, toByteOffset: index, as: UInt64.self)
            seen |= plain
            index &+= 8
        }
        var rest = word
        while index < count {
            let plain = bytes[index] ^ UInt8(truncatingIfNeeded: rest)
            bytes[index] = plain
            seen |= UInt64(plain)
            rest = rest &>> 8 | rest &<< 24
            index &+= 1
        }
        return seen & 0x8080_8080_8080_8080 == 0
    }
}

/// Whether no byte has its high bit set; 32 per step.
@inline(__always) func isASCII(_ bytes: UnsafePointer<UInt8>, count: Int) -> Bool {
    let raw = UnsafeRawPointer(bytes)
    var wideSeen = SIMD4<UInt64>(repeating: 0)
    var index = 0
    while count &- index >= 32 {
        wideSeen |= raw.loadUnaligned(fromByteOffset: index, as: SIMD4<UInt64>.self)
        index &+= 32
    }
    var seen = wideSeen[0] | wideSeen[1] | wideSeen[2] | wideSeen[3]
    while count &- index >= 8 {
        seen |= raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        index &+= 8
    }
    while index < count {
        seen |= UInt64(bytes[index])
        index &+= 1
    }
    return seen & 0x8080_8080_8080_8080 == 0
}
