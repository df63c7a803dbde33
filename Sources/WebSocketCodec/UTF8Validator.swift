import Primitives

/// Checks UTF-8 that comes in pieces, cut anywhere, and refuses at the first byte that no continuation could make good
/// (Unicode table 3-7: no overlong form, no surrogate, nothing above U+10FFFF).
struct UTF8Validator: Equatable, Sendable {
    /// Continuation bytes that the character begun last still needs.
    private var needed: UInt8 = 0
    /// The next of them is within these; after the first one always 80...BF.
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    /// Whether the text may end here.
    @inline(__always) var isAtBoundary: Bool { needed == 0 }

    /// Whether all of `bytes` is one valid text.
    @inline(__always) static func isValid(_ bytes: ByteView) -> Bool {
        if isASCII(bytes.base, count: bytes.count) { return true }
        var validator = UTF8Validator()
        return validator.accept(bytes) && validator.isAtBoundary
    }

    /// False as soon as what came so far cannot be the beginning of a valid text. Not to be used after that.
    mutating func accept(_ bytes: ByteView) -> Bool {
        var index = 0
        while needed > 0 {
            guard index < bytes.count else { return true }
            guard step(bytes[index]) else { return false }
            index += 1
        }
        while index < bytes.count {
            index += Self.asciiPrefix(bytes, from: index)
            // A run of other characters costs no search for ASCII between them.
            while index < bytes.count, bytes[index] >= 0x80 {
                index += Self.threeBytePairsPrefix(bytes, from: index)
                if bytes.count - index >= 8 {
                    guard bytes[index] >= 0x80 else { break }
                    let length = Self.wholeCharacter(UnsafeRawPointer(bytes.base + index))
                    guard length > 0 else { return false }
                    index += length
                } else if index < bytes.count, bytes[index] >= 0x80 {
                    guard begin(bytes[index]) else { return false }
                    index += 1
                    while needed > 0 {
                        guard index < bytes.count else { return true }
                        guard step(bytes[index]) else { return false }
                        index += 1
                    }
                }
            }
        }
        return true
    }

    /// How many bytes from `start` on are pairs of characters of three bytes each, which come in long runs (Chinese,
    /// Japanese); 6 per step.
    @inline(__always) private static func threeBytePairsPrefix(_ bytes: ByteView, from start: Int) -> Int {
        var index = start
        while bytes.count - index >= 8 {
            let word = word(UnsafeRawPointer(bytes.base + index))
            guard word & 0xC0C0_F0C0_C0F0 == 0x8080_E080_80E0, isInRange(threeBytes: word),
                isInRange(threeBytes: word >> 24)
            else { break }
            index += 6
        }
        return index - start
    }

    /// The length of the character at the front of 8 readable bytes; 0 if there is none, and for an ASCII one.
    @inline(__always) private static func wholeCharacter(_ bytes: UnsafeRawPointer) -> Int {
        let word = word(bytes)
        if word & 0xC0E0 == 0x80C0 { return word & 0x1E != 0 ? 2 : 0 }
        if word & 0xC0C0F0 == 0x8080E0 { return isInRange(threeBytes: word) ? 3 : 0 }
        guard word & 0xC0C0_C0F8 == 0x8080_80F0 else { return 0 }
        // The upper five bits of the code point: 0 would be overlong, over 16 is above U+10FFFF.
        let plane = (word & 0x07) << 2 | (word >> 12) & 0x03
        return plane &- 1 < 16 ? 4 : 0
    }

    /// 8 bytes, the first in the lowest place.
    @inline(__always) private static func word(_ bytes: UnsafeRawPointer) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    }

    /// E0 wants bit 5 of the next byte (else overlong), ED must not have it (else a surrogate).
    @inline(__always) private static func isInRange(threeBytes word: UInt64) -> Bool {
        let bits = word & 0x200F
        return bits != 0 && bits != 0x200D
    }

    @inline(__always) private mutating func begin(_ lead: UInt8) -> Bool {
        switch lead {
        case 0xC2...0xDF: (needed, lowest, highest) = (1, 0x80, 0xBF)
        case 0xE0: (needed, lowest, highest) = (2, 0xA0, 0xBF)
        case 0xED: (needed, lowest, highest) = (2, 0x80, 0x9F)
        case 0xE1...0xEF: (needed, lowest, highest) = (2, 0x80, 0xBF)
        case 0xF0: (needed, lowest, highest) = (3, 0x90, 0xBF)
        case 0xF1...0xF3: (needed, lowest, highest) = (3, 0x80, 0xBF)
        case 0xF4: (needed, lowest, highest) = (3, 0x80, 0x8F)
        default: return false
        }
        return true
    }

    @inline(__always) private mutating func step(_ byte: UInt8) -> Bool {
        guard byte >= lowest, byte <= highest else { return false }
        (needed, lowest, highest) = (needed - 1, 0x80, 0xBF)
        return true
    }

    /// How many bytes from `start` on are ASCII; 8 per step.
    @inline(__always) private static func asciiPrefix(_ bytes: ByteView, from start: Int) -> Int {
        var index = start
        while bytes.count - index >= 8 {
            let high = word(UnsafeRawPointer(bytes.base + index)) & 0x8080_8080_8080_8080
            guard high == 0 else { return index + high.trailingZeroBitCount / 8 - start }
            index += 8
        }
        while index < bytes.count, bytes[index] < 0x80 { index += 1 }
        return index - start
    }
}
