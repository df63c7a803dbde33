package import Primitives

/// Base64 in its two forms (RFC 4648). Decoding is strict: no white space, padding exactly where the form has it, and
/// unused bits zero, so that one value has one spelling.
package enum Base64 {
    /// RFC 4648 section 4: `+`, `/`, padded with `=`.
    case standard
    /// RFC 4648 section 5 without padding: `-`, `_`.
    case url

    /// Digits of `byteCount` bytes, without padding.
    @inline(__always) package static func digitCount(of byteCount: Int) -> Int { (byteCount * 4 + 2) / 3 }

    package func encode(_ bytes: ByteView, into queue: inout ByteQueue) {
        let target = queue.reserve((bytes.count + 2) / 3 * 4)
        queue.commit(encode(bytes, to: target))
    }

    /// The same to memory that the caller knows to be long enough, padding included. Returns how much was written.
    package func encode(_ bytes: ByteView, to target: UnsafeMutablePointer<UInt8>) -> Int {
        tables.pairs.withUnsafeBufferPointer { pairs in
            var source = bytes.base
            let output = UnsafeMutableRawPointer(target)
            var written = 0
            // Twelve bits, two digits at a time.
            for _ in 0..<bytes.count / 3 {
                let group = Int(source[0]) << 16 | Int(source[1]) << 8 | Int(source[2])
                output.storeBytes(of: pairs[group >> 12], toByteOffset: written, as: UInt16.self)
                output.storeBytes(of: pairs[group & 0xFFF], toByteOffset: written + 2, as: UInt16.self)
                source += 3
                written += 4
            }
            let rest = bytes.count % 3
            guard rest > 0 else { return written }
            let group = Int(source[0]) << 16 | (rest == 2 ? Int(source[1]) << 8 : 0)
            output.storeBytes(of: pairs[group >> 12], toByteOffset: written, as: UInt16.self)
            written += 2
            if rest == 2 {
                target[written] = UInt8(truncatingIfNeeded: UInt16(littleEndian: pairs[group & 0xFFF]))
                written += 1
            }
            if self == .standard {
                for _ in rest..<3 {
                    target[written] = Self.padding
                    written += 1
                }
            }
            return written
        }
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
        // Whole words are stored, the fourth byte to be overwritten by the next one.
        let target = UnsafeMutableRawPointer(queue.reserve(digits / 4 * 3 + 4))
        return tables.places.withUnsafeBufferPointer { places in
            var source = text.base
            var written = 0
            // Bits that no digit sets: looked at once, at the end.
            var bits: UInt32 = 0
            for _ in 0..<digits / 4 {
                let group =
                    places[Int(source[0])] | places[256 + Int(source[1])] | places[512 + Int(source[2])]
                    | places[768 + Int(source[3])]
                target.storeBytes(of: group.littleEndian, toByteOffset: written, as: UInt32.self)
                bits |= group
                source += 4
                written += 3
            }
            if rest > 0 {
                let group =
                    places[Int(source[0])] | places[256 + Int(source[1])]
                    | (rest == 3 ? places[512 + Int(source[2])] : 0)
                // What stands behind the last whole byte must be zero.
                guard group >> (rest == 3 ? 16 : 8) & 0xFF == 0 else { return false }
                target.storeBytes(of: group.littleEndian, toByteOffset: written, as: UInt32.self)
                bits |= group
                written += rest - 1
            }
            guard bits & Self.invalid == 0 else { return false }
            queue.commit(written)
            return true
        }
    }

    package func decode(_ text: ByteView) -> [UInt8]? {
        var queue = ByteQueue()
        return decode(text, into: &queue) ? queue.view.array : nil
    }

    private static let padding: UInt8 = 0x3D
    private static let invalid: UInt32 = 0xFF00_0000

    private var tables: Tables { self == .standard ? Self.standardTables : Self.urlTables }

    private static let standardTables = Tables(
        alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    private static let urlTables = Tables(
        alphabet: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

    private struct Tables: Sendable {
        /// Of twelve bits: their two digits, as they stand in memory.
        let pairs: [UInt16]
        /// Of a character in each of the four places of a group: its six bits, where they stand in the group's three
        /// bytes, the first byte lowest; ``Base64/invalid`` for what is no digit.
        let places: [UInt32]

        init(alphabet: StaticString) {
            let digits = (0..<64).map { alphabet.utf8Start[$0] }
            pairs = (0..<4096).map { (UInt16(digits[$0 >> 6]) | UInt16(digits[$0 & 63]) << 8).littleEndian }
            var places = [UInt32](repeating: Base64.invalid, count: 4 * 256)
            for place in 0..<4 {
                for value in 0..<64 {
                    // The group is read with its first byte highest and then turned round.
                    let bits = UInt32(value) << UInt32(18 - 6 * place)
                    places[place * 256 + Int(digits[value])] = bits.byteSwapped >> 8
                }
            }
            self.places = places
        }
    }
}
