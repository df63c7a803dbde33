public import Primitives

/// Appends `bytes` as a JSON string, quoted and escaped (RFC 8259 section 7): `"`, `\` and what is below U+0020, the
/// common ones in their two-character form. Everything else passes as it is, DEL and U+2028 too.
///
/// Expects valid UTF-8; other bytes also pass as they are, so the result is then no more valid than they were.
/// Output is at most 6 bytes per byte and 2 quotes.
public func appendJSONString(_ bytes: ByteView, to queue: inout ByteQueue) {
    // Room for what text usually needs, in one piece, so that a long body does not grow the queue step by step.
    _ = queue.reserve(bytes.count + bytes.count / 8 + 16)
    queue.append(UInt8(ascii: "\""))
    var offset = 0
    while offset < bytes.count {
        let length = min(bytes.count - offset, blockByteCount)
        // Whole words are stored beyond the end of what they mean: hence a word more.
        let target = queue.reserve(length * 6 + 8)
        queue.commit(escape(bytes.base + offset, length, into: target))
        offset += length
    }
    queue.append(UInt8(ascii: "\""))
}

/// Bytes that ``appendJSONString(_:to:)`` appends, quotes included.
public func jsonStringByteCount(_ bytes: ByteView) -> Int {
    var count = bytes.count + 2
    let base = UnsafeRawPointer(bytes.base)
    var offset = 0
    while bytes.count - offset >= 8 {
        var marks = escapeMarks(UInt64(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
        while marks != 0 {
            count += escapeByteCount(of: bytes.base[offset + (marks.trailingZeroBitCount >> 3)]) - 1
            marks &= marks &- 1
        }
        offset += 8
    }
    while offset < bytes.count {
        count += escapeByteCount(of: bytes.base[offset]) - 1
        offset += 1
    }
    return count
}

@inline(__always) private func escapeByteCount(of byte: UInt8) -> Int {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x08, 0x09, 0x0A, 0x0C, 0x0D: 2
    case 0..<0x20: 6
    default: 1
    }
}

/// The worst case is reserved per block, which keeps it small.
private let blockByteCount = 256

@inline(__always) private func everyByte(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

/// The upper bit of each byte of `word` that must be escaped; exact in all positions.
@inline(__always) private func escapeMarks(_ word: UInt64) -> UInt64 {
    let low = everyByte(0x7F)
    let quote = word ^ everyByte(UInt8(ascii: "\""))
    let backslash = word ^ everyByte(UInt8(ascii: "\\"))
    // Each sum sets the upper bit of the bytes that are harmless in its respect; no carry leaves a byte.
    let notQuote = (quote & low) &+ low | quote
    let notBackslash = (backslash & low) &+ low | backslash
    let notControl = (word & low) &+ everyByte(0x60) | word
    return ~(notQuote & notBackslash & notControl) & ~low
}

@inline(__always) private func escape(
    _ source: UnsafePointer<UInt8>, _ length: Int, into target: UnsafeMutablePointer<UInt8>
) -> Int {
    var input = UnsafeRawPointer(source)
    var output = UnsafeMutableRawPointer(target)
    var remaining = length
    while remaining >= 8 {
        let word = UInt64(littleEndian: input.loadUnaligned(as: UInt64.self))
        output.storeBytes(of: word.littleEndian, as: UInt64.self)
        var marks = escapeMarks(word)
        if marks == 0 {
            output += 8
        } else {
            var done = 0
            repeat {
                let position = marks.trailingZeroBitCount >> 3
                output += position - done
                let byte = UInt8(truncatingIfNeeded: word >> UInt64(position * 8))
                output = appendEscape(of: byte, to: output)
                done = position + 1
                // Bytes up to the mark leave at the bottom; shifting by 64 gives 0.
                output.storeBytes(of: (word >> UInt64(done * 8)).littleEndian, as: UInt64.self)
                marks &= marks &- 1
            } while marks != 0
            output += 8 - done
        }
        input += 8
        remaining -= 8
    }
    while remaining > 0 {
        let byte = input.load(as: UInt8.self)
        if byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
            output.storeBytes(of: byte, as: UInt8.self)
            output += 1
        } else {
            output = appendEscape(of: byte, to: output)
        }
        input += 1
        remaining -= 1
    }
    return output - UnsafeMutableRawPointer(target)
}

@inline(__always) private func appendEscape(
    of byte: UInt8, to output: UnsafeMutableRawPointer
) -> UnsafeMutableRawPointer {
    let letter: UInt8
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): letter = byte
    case 0x0A: letter = UInt8(ascii: "n")
    case 0x0D: letter = UInt8(ascii: "r")
    case 0x09: letter = UInt8(ascii: "t")
    case 0x08: letter = UInt8(ascii: "b")
    case 0x0C: letter = UInt8(ascii: "f")
    default:
        // \u00XX, byte by byte from the lowest address.
        let digits = UInt64(UInt8(ascii: "0")) + UInt64(byte >> 4) | hexadecimal(byte & 0xF) << 8
        output.storeBytes(of: (0x3030_755C as UInt32).littleEndian, as: UInt32.self)
        output.storeBytes(of: UInt16(truncatingIfNeeded: digits).littleEndian, toByteOffset: 4, as: UInt16.self)
        return output + 6
    }
    output.storeBytes(of: (UInt16(letter) << 8 | 0x5C).littleEndian, as: UInt16.self)
    return output + 2
}

@inline(__always) private func hexadecimal(_ digit: UInt8) -> UInt64 {
    UInt64(digit < 10 ? 0x30 + digit : 0x57 + digit)
}
