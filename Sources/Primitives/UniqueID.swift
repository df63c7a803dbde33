/// 128 bits that name a session, a request or an attempt; written as a UUID (RFC 9562).
package struct UniqueID: Hashable, Sendable {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A version 4 UUID out of 128 random bits.
    package init(randomHigh: UInt64, randomLow: UInt64) {
        high = randomHigh & ~0xF000 | 0x4000
        low = randomLow & ~(0xC000 << 48) | 0x8000 << 48
    }

    package static let textByteCount = 36

    /// Reads the 36-byte form; upper-case digits are accepted.
    package init?(_ text: ByteView) {
        guard text.count == Self.textByteCount else { return nil }
        var words: (UInt64, UInt64) = (0, 0)
        var digits = 0
        for index in 0..<Self.textByteCount {
            let byte = text[index]
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == 0x2D else { return nil }
                continue
            }
            guard let digit = hexadecimalDigit(byte) else { return nil }
            if digits < 16 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
            digits += 1
        }
        self.init(high: words.0, low: words.1)
    }

    package var text: String {
        var queue = ByteQueue()
        append(to: &queue)
        return queue.view.string
    }

    package func append(to queue: inout ByteQueue) {
        let target = queue.reserve(Self.textByteCount)
        var offset = 0
        for digit in 0..<32 {
            if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
                target[offset] = 0x2D
                offset += 1
            }
            let word = digit < 16 ? high : low
            let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - (digit & 15) * 4)) & 0xF
            target[offset] = nibble < 10 ? 0x30 + nibble : 0x57 + nibble
            offset += 1
        }
        queue.commit(Self.textByteCount)
    }
}

@inline(__always) package func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}
