import Primitives
import Testing

@testable import WebSocketCodec

@Suite struct MaskingKeyTests {
    @Test(arguments: 0..<4)
    func agreesWithOneByteAtATime(offset: Int) {
        let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
        var random = SeededRandom(seed: 5)
        for length in 0..<150 {
            let plain = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            // Guard bytes around it.
            var bytes = [0xAA] + plain + [0xBB]
            let isASCII = key.withUnsafeBufferPointer { key in
                bytes.withUnsafeMutableBufferPointer { bytes in
                    guard let first = key.baseAddress, let start = bytes.baseAddress else { return false }
                    return MaskingKey(first).advanced(by: offset).apply(to: start + 1, count: length)
                }
            }
            let expected = plain.enumerated().map { $0.element ^ key[($0.offset + offset) % 4] }
            #expect(bytes == [0xAA] + expected + [0xBB])
            #expect(isASCII == expected.allSatisfy { $0 < 0x80 })
        }
    }

    @Test func findsTheOneByteThatIsNotASCII() {
        for length in 1..<100 {
            for position in 0..<length {
                var bytes = [UInt8](repeating: 0x41, count: length)
                bytes[position] = 0xC3
                let found = bytes.withUnsafeMutableBufferPointer { buffer in
                    guard let base = buffer.baseAddress else { return false }
                    return !isASCII(base, count: length) && !MaskingKey(word: 0).apply(to: base, count: length)
                }
                #expect(found)
            }
        }
    }
}

@Suite struct UTF8ValidatorTests {
    @Test(arguments: [
        "", "a", "é", "€", "𝄞", "\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}",
        "\u{D7FF}\u{E000}\u{FEFF}\u{FFFD}",
        String(repeating: "x", count: 100) + "é" + String(repeating: "y", count: 100), "κόσμε", "日本語のテキスト", "👩‍👩‍👧‍👦🇩🇪",
    ])
    func acceptsEveryCutOfValidText(text: String) {
        let bytes = Array(text.utf8)
        #expect(withByteView(bytes) { UTF8Validator.isValid($0) })
        for cut in 0...bytes.count {
            var validator = UTF8Validator()
            #expect(withByteView(Array(bytes[..<cut])) { validator.accept($0) })
            let isAtBoundary = String(validating: bytes[..<cut], as: UTF8.self) != nil
            #expect(validator.isAtBoundary == isAtBoundary)
            #expect(withByteView(Array(bytes[cut...])) { validator.accept($0) })
            #expect(validator.isAtBoundary)
        }
    }

    /// Against the standard library, on bytes that are nearly text; and cut in two, which must change nothing.
    @Test(arguments: 0..<50)
    func agreesWithTheStandardLibrary(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                bytes += Array(
                    ["abcdefgh", "é", "€", "日本語", "𝄞", "\u{10FFFF}"].randomElement(using: &random)?.utf8 ?? "".utf8)
            }
            if !bytes.isEmpty, random.chance(0.7) {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                bytes[position] =
                    [0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0x41]
                    .randomElement(using: &random) ?? 0
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            #expect(withByteView(bytes) { UTF8Validator.isValid($0) } == expected)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            var validator = UTF8Validator()
            let isValid =
                withByteView(Array(bytes[..<cut])) { validator.accept($0) }
                && withByteView(Array(bytes[cut...])) { validator.accept($0) } && validator.isAtBoundary
            #expect(isValid == expected)
        }
    }
}
