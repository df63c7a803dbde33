import Primitives

/// A set of ASCII bytes, one bit each: small enough to stay in two registers while a line is checked. The words are
/// spelled out so that the compiler lays them into the binary; a test compares them with the sets in the comments.
struct ByteClass: Sendable {
    private let low: UInt64
    private let high: UInt64

    private init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    @inline(__always) func contains(_ byte: UInt8) -> Bool {
        let word = byte < 64 ? low : high
        return byte < 128 && word >> UInt64(byte & 63) & 1 != 0
    }

    @inline(__always) func containsAll(of bytes: ByteView) -> Bool {
        for index in 0..<bytes.count where !contains(bytes.base[index]) { return false }
        return true
    }

    /// tchar: methods, field names, codings (RFC 9110 section 5.6.2).
    /// Letters, digits and ``!#$%&'*+-.^_`|~``.
    static let token = ByteClass(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    /// unreserved and sub-delims: a registered name (RFC 3986 section 3.2.2); `%` is checked apart.
    /// Letters, digits and `-._~!$&'()*+,;=`.
    static let registeredName = ByteClass(low: 0x2BFF_7FD2_0000_0000, high: 0x47FF_FFFE_87FF_FFFE)
    /// What may stand in brackets as an address: IPv6 only; a zone means nothing to another machine.
    static let addressLiteral = ByteClass(low: 0x07FF_4000_0000_0000, high: 0x0000_007E_0000_007E)
    /// pchar, `/`, `?` (RFC 3986), and what browsers leave bare: `[ ] ^ { | }` and the backtick. Never `#` or `\`, which
    /// readers of URLs disagree about; `%` is checked apart.
    /// Letters, digits and ``-._~!$&'()*+,;=:@/?[]^`{|}``.
    static let target = ByteClass(low: 0xAFFF_FFD2_0000_0000, high: 0x7FFF_FFFF_EFFF_FFFF)
}

extension ByteView {
    /// The offset of the first control byte (below 0x20, or 0x7F) at or after `start`; `count` when there is none.
    ///
    /// One pass finds a line's end and every byte that a line must not hold, eight bytes a step.
    func firstControl(from start: Int) -> Int {
        var index = start
        let ones: UInt64 = 0x0101_0101_0101_0101
        while index &+ 8 <= count {
            let word = UInt64(
                littleEndian: UnsafeRawPointer(base + index).loadUnaligned(as: UInt64.self))
            let below = (word &- ones &* 0x20) & ~word
            let delete = word ^ ones &* 0x7F
            let hits = (below | ((delete &- ones) & ~delete)) & (ones &* 0x80)
            // A borrow may spoil the bytes above a hit, never those below it, so the lowest hit is true.
            if hits != 0 { return index &+ hits.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < count {
            let byte = base[index]
            if byte < 0x20 || byte == 0x7F { return index }
            index &+= 1
        }
        return count
    }

    /// Without the spaces and tabs at both ends (OWS, RFC 9110 section 5.6.3).
    func trimmingWhitespace() -> ByteView {
        var start = 0
        var end = count
        while start < end, base[start] == 0x20 || base[start] == 0x09 { start &+= 1 }
        while end > start, base[end &- 1] == 0x20 || base[end &- 1] == 0x09 { end &-= 1 }
        return self[start..<end]
    }

    /// Calls `body` with each element of a comma list, trimmed, empty ones too, until it answers false.
    func forEachListElement(_ body: (ByteView) -> Bool) {
        var rest = self
        while let comma = rest.firstIndex(of: 0x2C) {
            guard body(rest[0..<comma].trimmingWhitespace()) else { return }
            rest = rest.dropFirst(comma + 1)
        }
        _ = body(rest.trimmingWhitespace())
    }
}
