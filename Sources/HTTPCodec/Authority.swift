import Primitives

/// `host [ ":" port ]` as in Host, absolute-form and authority-form (RFC 3986 section 3.2, without user information).
enum Authority {
    enum Port { case optional, required }

    /// An empty host passes: a client that has no authority sends an empty Host (RFC 9112 section 3.2).
    static func isValid(_ text: ByteView, port: Port) -> Bool {
        guard let hostEnd = hostEnd(text) else { return false }
        if hostEnd == text.count { return port == .optional }
        guard text[hostEnd] == 0x3A else { return false }
        let digits = text.dropFirst(hostEnd + 1)
        if digits.isEmpty || hostEnd == 0 { return port == .optional && hostEnd > 0 }
        guard digits.count <= 5 else { return false }
        var number = 0
        for index in 0..<digits.count {
            guard isDigit(digits[index]) else { return false }
            number = number * 10 + Int(digits[index] - 0x30)
        }
        return number <= 65_535
    }

    /// Where the host ends, or nil if it is malformed.
    private static func hostEnd(_ text: ByteView) -> Int? {
        if !text.isEmpty, text[0] == 0x5B {
            guard let bracket = text.firstIndex(of: 0x5D), bracket > 2,
                ByteClass.addressLiteral.containsAll(of: text[1..<bracket])
            else { return nil }
            return bracket + 1
        }
        var index = 0
        while index < text.count, text[index] != 0x3A {
            if ByteClass.registeredName.contains(text[index]) {
                index += 1
            } else if isPercentEncoding(text, at: index) {
                index += 3
            } else {
                return nil
            }
        }
        return index
    }
}

@inline(__always) func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

@inline(__always) func isPercentEncoding(_ text: ByteView, at index: Int) -> Bool {
    guard text[index] == 0x25, index + 2 < text.count else { return false }
    return hexadecimalDigit(text[index + 1]) != nil && hexadecimalDigit(text[index + 2]) != nil
}
