import Crypto
import Primitives
import Testing

@Suite struct AESGCMTests {
    struct Vector: Sendable, CustomTestStringConvertible {
        var number: Int
        var key: String
        var nonce: String
        var plaintext: String
        var additionalData: String
        var ciphertext: String
        var tag: String
        var testDescription: String { "case \(number)" }
    }

    private static let zeroKey = String(repeating: "0", count: 64)
    private static let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
    private static let plaintext =
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
    private static let ciphertext =
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, which NIST took over: those with 256 bits.
    static let vectors = [
        Vector(
            number: 13, key: zeroKey, nonce: "000000000000000000000000", plaintext: "", additionalData: "",
            ciphertext: "", tag: "530f8afbc74536b9a963b4f1c4cb738b"),
        Vector(
            number: 14, key: zeroKey, nonce: "000000000000000000000000", plaintext: "00000000000000000000000000000000",
            additionalData: "", ciphertext: "cea7403d4d606b6e074ec5d3baf39d18", tag: "d0d1c8a799996bf0265b98b5d48ab919"),
        Vector(
            number: 15, key: key, nonce: "cafebabefacedbaddecaf888", plaintext: plaintext, additionalData: "",
            ciphertext: ciphertext, tag: "b094dac5d93471bdec1a502270e3cc6c"),
        Vector(
            number: 16, key: key, nonce: "cafebabefacedbaddecaf888", plaintext: String(plaintext.dropLast(8)),
            additionalData: "feedfacedeadbeeffeedfacedeadbeefabaddad2", ciphertext: String(ciphertext.dropLast(8)),
            tag: "76fc6ece0f4e1768cddf8853bb2d551b"),
    ]

    private static func bytes(_ text: String) -> [UInt8] { withByteView(text) { Hexadecimal.decode($0) } ?? [] }
    private static func nonce(_ text: String) -> AESGCM.Nonce {
        let bytes = bytes(text)
        return AESGCM.Nonce { bytes[$0] }
    }

    private static func view(_ queue: inout ByteQueue) -> MutableByteView {
        queue.mutableView ?? MutableByteView(base: queue.reserve(1), count: 0)
    }

    @Test(arguments: vectors) func sealsAndOpens(_ vector: Vector) throws {
        let key = withByteView(Self.bytes(vector.key)) { SecretKey(copying: $0) }
        var sealer = try AESGCMSealer(key: key)
        var opener = try AESGCMOpener(key: key)
        let data = Self.bytes(vector.additionalData)
        // Several times, for the context is used again, and with the additional data cut anywhere.
        for cut in 0...data.count {
            var message = ByteQueue()
            message.append(Self.bytes(vector.plaintext))
            let tag = try withByteView(data) {
                try sealer.seal(
                    Self.view(&message), nonce: Self.nonce(vector.nonce), additionalData: $0.prefix(cut),
                    $0.dropFirst(cut))
            }
            #expect(Hexadecimal.encode(message.view) == vector.ciphertext)
            #expect(withUnsafeBytes(of: tag) { Hexadecimal.encode(ByteView($0)) } == vector.tag)
            let isAuthentic = withByteView(data) {
                opener.open(Self.view(&message), nonce: Self.nonce(vector.nonce), tag: tag, additionalData: $0)
            }
            #expect(isAuthentic)
            #expect(Hexadecimal.encode(message.view) == vector.plaintext)
        }
    }

    /// Every bit of ciphertext, tag, nonce and additional data counts, and nothing of a forgery is left to be read.
    @Test func anyFlippedBitIsNoticed() throws {
        let vector = Self.vectors[3]
        let key = withByteView(Self.bytes(vector.key)) { SecretKey(copying: $0) }
        var opener = try AESGCMOpener(key: key)
        let parts = [vector.ciphertext, vector.tag, vector.nonce, vector.additionalData].map { Self.bytes($0) }
        for part in parts.indices {
            for bit in 0..<parts[part].count * 8 {
                var parts = parts
                parts[part][bit / 8] ^= 1 << UInt8(bit % 8)
                var message = ByteQueue()
                message.append(parts[0])
                let isAuthentic = withByteView(parts[3]) {
                    opener.open(
                        Self.view(&message), nonce: AESGCM.Nonce { parts[2][$0] }, tag: AESGCM.Tag { parts[1][$0] },
                        additionalData: $0)
                }
                #expect(!isAuthentic)
                #expect(message.view.buffer.allSatisfy { $0 == 0 })
            }
        }
        // The opener is as good as before.
        var message = ByteQueue()
        message.append(parts[0])
        let isAuthentic = withByteView(parts[3]) {
            opener.open(
                Self.view(&message), nonce: AESGCM.Nonce { parts[2][$0] }, tag: AESGCM.Tag { parts[1][$0] },
                additionalData: $0)
        }
        #expect(isAuthentic)
    }

    @Test func keysOfOtherLengthsAreRefused() {
        #expect(throws: CryptoError.badInput) { _ = try AESGCMSealer(key: SecretKey(copying: ByteView("short"))) }
        #expect(throws: CryptoError.badInput) { _ = try AESGCMOpener(key: SecretKey(copying: ByteView("short"))) }
    }
}

@Suite struct SecretKeyTests {
    struct Refusal: Error {}

    @Test func aFillThatFailsLeavesNoKey() {
        #expect(throws: Refusal.self) { _ = try SecretKey(byteCount: 32) { _ throws(Refusal) in throw Refusal() } }
    }

    @Test func cleansedBytesAreZero() {
        var queue = ByteQueue()
        queue.append("a secret")
        if let view = queue.mutableView { cleanse(view) }
        #expect(queue.view.array == [UInt8](repeating: 0, count: 8))
    }
}

@Suite struct Base64LengthTests {
    /// All lengths around the group, and all digits in all places.
    @Test func everyLengthComesBack() {
        var random = SeededRandom(seed: 7)
        for count in 0..<200 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            for form in [Base64.url, .standard] {
                let text = withByteView(bytes) { form.encode($0) }
                #expect(withByteView(text) { form.decode($0) } == bytes)
                #expect(form == .standard || text.utf8.count == Base64.digitCount(of: count))
            }
        }
    }

    @Test func everyOtherByteIsRefusedInEveryPlace() {
        let digits = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        for count in [4, 6, 7, 8] {
            for place in 0..<count {
                for byte in UInt8.min...UInt8.max where !digits.contains(byte) {
                    var text = [UInt8](repeating: UInt8(ascii: "A"), count: count)
                    text[place] = byte
                    #expect(withByteView(text) { Base64.url.decode($0) } == nil)
                }
            }
        }
    }
}
