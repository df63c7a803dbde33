import Primitives

/// Cuts text into words and punctuation marks: the demo model's tokens.
enum DemoTokenizer {
    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    static func isMark(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "?"), UInt8(ascii: "!"), UInt8(ascii: ";"),
            UInt8(ascii: ":"):
            true
        default: false
        }
    }

    /// Calls `body` with each token in order. O(n), without an allocation.
    static func forEachToken(_ text: ByteView, _ body: (ByteView) -> Void) {
        var index = 0
        while index < text.count {
            let start = index
            let byte = text[index]
            index += 1
            if isSpace(byte) { continue }
            if !isMark(byte) {
                while index < text.count, !isSpace(text[index]), !isMark(text[index]) { index += 1 }
            }
            body(text[start..<index])
        }
    }

    static func count(_ text: ByteView) -> Int {
        var count = 0
        forEachToken(text) { _ in count += 1 }
        return count
    }
}
