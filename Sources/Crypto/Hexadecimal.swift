package import Primitives

/// Base16 (RFC 4648 section 8): lower-case when written, either case when read.
package enum Hexadecimal {
    package static func encode(_ bytes: ByteView, into queue: inout ByteQueue) {
        let target = queue.reserve(bytes.count * 2)
        for index in 0..<bytes.count {
            target[index * 2] = digit(bytes.base[index] >> 4)
            target[index * 2 + 1] = digit(bytes.base[index] & 0xF)
        }
        queue.commit(bytes.count * 2)
    }

    package static func encode(_ bytes: ByteView) -> String {
        var queue = ByteQueue()
        encode(bytes, into: &queue)
        return queue.view.string
    }

    /// nil for an odd number of digits, or for anything that is no digit.
    package static func decode(_ text: ByteView) -> [UInt8]? {
        guard text.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2)
        for index in 0..<text.count / 2 {
            guard let high = hexadecimalDigit(text[index * 2]), let low = hexadecimalDigit(text[index * 2 + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    @inline(__always) private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
