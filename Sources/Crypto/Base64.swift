package import Primitives

/// Base64 in its two forms (RFC 4648). Decoding is strict: no white space, padding exactly where the form has it, and
/// unused bits zero, so that one value has one spelling.
package enum Base64 {
    /// RFC 4648 section 4: `+`, `/`, padded with `=`.
    case standard
    /// RFC 4648 section 5 without padding: `-`, `_`.
    case url

    package func encode(_ bytes: ByteView, into queue: inout ByteQueue) {
        let alphabet = alphabet.utf8Start
        let target = queue.reserve((bytes.count + 2) / 3 * 4)
        var source = bytes.base
        var written = 0
        for _ in 0..<bytes.count / 3 {
            let group = UInt32(source[0]) << 16 | UInt32(source[1]) << 8 | UInt32(source[2])
            target[written] = alphabet[Int(group >> 18)]
            target[written + 1] = alphabet[Int(group >> 12 & 63)]
            target[written + 2] = alphabet[Int(group >> 6 & 63)]
            target[written + 3] = alphabet[Int(group & 63)]
            source += 3
            written += 4
        }
        let rest = bytes.count % 3
        if rest > 0 {
            let group = UInt32(source[0]) << 16 | (rest == 2 ? UInt32(source[1]) << 8 : 0)
            target[written] = alphabet[Int(group >> 18)]
            target[written + 1] = alphabet[Int(group >> 12 & 63)]
            written += 2
            if rest == 2 {
                target[written] = alphabet[Int(group >> 6 & 63)]
                written += 1
            }
            if self == .standard {
                for _ in rest..<3 {
                    target[written] = Self.padding
                    written += 1
                }
            }
        }
        queue.commit(written)
    }

    package func encode(_ bytes: ByteView) -> String {
        var queue = ByteQueue()
        encode(bytes, into: &queue)
        return queue.view.string
    }

    /// Appends what `text` says, or appends nothing and answers false if it is not well-formed.
    package func decode(_ text: ByteView, into queue: inout ByteQueue) -> Bool {
        var digits = text.count
        if self == .standard {
            guard digits % 4 == 0 else { return false }
            if digits > 0, text[digits - 1] == Self.padding {
                digits -= text[digits - 2] == Self.padding ? 2 : 1
            }
        }
        let rest = digits % 4
        guard rest != 1 else { return false }

        let values = self == .standard ? Self.standardValues : Self.urlValues
        return values.withUnsafeBufferPointer { values in
            let target = queue.reserve(digits / 4 * 3 + 2)
            var source = text.base
            var written = 0
            for _ in 0..<digits / 4 {
                let first = values[Int(source[0])]
                let second = values[Int(source[1])]
                let third = values[Int(source[2])]
                let fourth = values[Int(source[3])]
                guard (first | second | third | fourth) & Self.invalid == 0 else { return false }
                target[written] = first << 2 | second >> 4
                target[written + 1] = second << 4 | third >> 2
                target[written + 2] = third << 6 | fourth
                source += 4
                written += 3
            }
            if rest > 0 {
                let first = values[Int(source[0])]
                let second = values[Int(source[1])]
                let third = rest == 3 ? values[Int(source[2])] : 0
                guard (first | second | third) & Self.invalid == 0 else { return false }
                guard (rest == 3 ? third & 0b11 : second & 0b1111) == 0 else { return false }
                target[written] = first << 2 | second >> 4
                written += 1
                if rest == 3 {
                    target[written] = second << 4 | third >> 2
                    written += 1
                }
            }
            queue.commit(written)
            return true
        }
    }

    package func decode(_ text: ByteView) -> [UInt8]? {
        var queue = ByteQueue()
        return decode(text, into: &queue) ? queue.view.array : nil
    }

    private static let padding: UInt8 = 0x3D
    private static let invalid: UInt8 = 0x80

    private var alphabet: StaticString {
        switch self {
        case .standard: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        case .url: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        }
    }

    private static let standardValues = values(of: .standard)
    private static let urlValues = values(of: .url)

    private static func values(of form: Base64) -> [UInt8] {
        var values = [UInt8](repeating: invalid, count: 256)
        for value in 0..<64 { values[Int(form.alphabet.utf8Start[value])] = UInt8(value) }
        return values
    }
}
