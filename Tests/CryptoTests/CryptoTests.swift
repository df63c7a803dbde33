import Crypto
import Primitives
import Testing

@Suite struct DigestTests {
    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11", "b37a4f2cc0624f1690f64606cf385945b2bec4ea"),
    ])
    func sha1(text: String, hexadecimal: String) {
        #expect(withByteView(withByteView(text) { SHA1.digest(of: $0) }) { Hexadecimal.encode($0) } == hexadecimal)
    }

    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ])
    func sha256(text: String, hexadecimal: String) {
        #expect(withByteView(withByteView(text) { SHA256.digest(of: $0) }) { Hexadecimal.encode($0) } == hexadecimal)
    }
}

@Suite struct Base64Tests {
    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
        ("foob", "Zm9vYg==", "Zm9vYg"), ("fooba", "Zm9vYmE=", "Zm9vYmE"), ("foobar", "Zm9vYmFy", "Zm9vYmFy"),
    ])
    func vectors(text: String, standard: String, url: String) {
        withByteView(text) { bytes in
            #expect(Base64.standard.encode(bytes) == standard)
            #expect(Base64.url.encode(bytes) == url)
        }
        #expect(withByteView(standard) { Base64.standard.decode($0) } == Array(text.utf8))
        #expect(withByteView(url) { Base64.url.decode($0) } == Array(text.utf8))
    }

    @Test func theTwoAlphabetsDifferInTwoDigits() {
        let bytes: [UInt8] = [0xFB, 0xFF, 0xFE]
        #expect(withByteView(bytes) { Base64.standard.encode($0) } == "+//+")
        #expect(withByteView(bytes) { Base64.url.encode($0) } == "-__-")
        #expect(withByteView("-__-") { Base64.standard.decode($0) } == nil)
        #expect(withByteView("+//+") { Base64.url.decode($0) } == nil)
    }

    @Test(arguments: [
        "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "=", "Zm9vY", "Zm 9", "Zm9v\n", "Zg==Zg==", "Zh==", "Zm9=",
        "Zm9\u{E9}",
    ])
    func standardRefuses(text: String) {
        #expect(withByteView(text) { Base64.standard.decode($0) } == nil)
    }

    @Test(arguments: ["Z", "Zg==", "Zm8=", "Zh", "Zm9", "Zm9vY", "Zm9v "])
    func urlRefuses(text: String) {
        #expect(withByteView(text) { Base64.url.decode($0) } == nil)
    }

    @Test func refusalAppendsNothing() {
        var queue = ByteQueue()
        queue.append("kept")
        let accepted = withByteView("Zm9vYmF!") { Base64.standard.decode($0, into: &queue) }
        #expect(!accepted)
        #expect(queue.view == "kept")
    }

    @Test func everyLengthComesBack() {
        var random = SeededRandom(seed: 1)
        for length in 0...100 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            for form in [Base64.standard, .url] {
                let text = withByteView(bytes) { form.encode($0) }
                #expect(withByteView(text) { form.decode($0) } == bytes)
            }
        }
    }
}

@Suite struct HexadecimalTests {
    @Test func writesLowerCaseAndReadsBoth() {
        let bytes: [UInt8] = [0x00, 0x9A, 0xFF]
        #expect(withByteView(bytes) { Hexadecimal.encode($0) } == "009aff")
        #expect(withByteView("009AfF") { Hexadecimal.decode($0) } == bytes)
        #expect(withByteView("") { Hexadecimal.decode($0) } == [])
    }

    @Test(arguments: ["0", "0g", "zz", "00 1", "0x"])
    func refuses(text: String) {
        #expect(withByteView(text) { Hexadecimal.decode($0) } == nil)
    }
}

@Suite struct SecureRandomTests {
    @Test func twoDrawsDiffer() {
        #expect(SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(SecureRandom.number() != SecureRandom.number())
        #expect(SecureRandom.bytes(0).isEmpty)
        #expect(SecureRandom.bytes(3 << 20).suffix(32).contains { $0 != 0 })
    }
}

@Suite struct ConstantTimeTests {
    @Test(arguments: [
        ("", "", true), ("secret", "secret", true), ("secret", "secreT", false), ("Secret", "secret", false),
        ("secret", "secre", false),
    ])
    func compares(left: String, right: String, equal: Bool) {
        #expect(withByteView(left) { left in withByteView(right) { equalsInConstantTime(left, $0) } } == equal)
    }
}
