import Crypto
import Primitives
import Testing

private func bytes(_ hexadecimal: String) -> [UInt8] { withByteView(hexadecimal) { Hexadecimal.decode($0) } ?? [] }
private func secret(_ hexadecimal: String) -> SecretKey {
    withByteView(bytes(hexadecimal)) { SecretKey(copying: $0) }
}
private func text(_ bytes: [UInt8]) -> String { withByteView(bytes) { Hexadecimal.encode($0) } }
private func text(_ key: borrowing SecretKey) -> String { key.withBytes { Hexadecimal.encode($0) } }

@Suite struct X25519Tests {
    /// RFC 7748 section 6.1.
    private static let alice = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
    private static let alicePublic = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    private static let bob = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
    private static let bobPublic = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    private static let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"

    @Test func bothSidesComeToTheSameSecret() throws {
        let alice = try X25519PrivateKey(secret(Self.alice))
        let bob = try X25519PrivateKey(secret(Self.bob))
        #expect(text(alice.publicKey) == Self.alicePublic)
        #expect(text(bob.publicKey) == Self.bobPublic)
        let first = try withByteView(bob.publicKey) { try alice.sharedSecret(with: $0) }
        let second = try withByteView(alice.publicKey) { try bob.sharedSecret(with: $0) }
        #expect(text(first) == Self.shared)
        #expect(text(second) == Self.shared)
    }

    /// RFC 7748 section 5.2.
    @Test(arguments: [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"
        ),
    ])
    func vectors(scalar: String, point: String, result: String) throws {
        let key = try X25519PrivateKey(secret(scalar))
        let shared = try withByteView(bytes(point)) { try key.sharedSecret(with: $0) }
        #expect(text(shared) == result)
    }

    /// Points of small order: the secret would be zero whatever the key.
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ])
    func aZeroSecretIsRefused(point: String) throws {
        let key = try X25519PrivateKey(secret(Self.alice))
        #expect(throws: CryptoError.weakPublicKey) {
            _ = try withByteView(bytes(point)) { _ = try key.sharedSecret(with: $0) }
        }
    }

    @Test(arguments: [0, 1, 31, 33]) func otherLengthsAreRefused(count: Int) throws {
        let key = try X25519PrivateKey(secret(Self.alice))
        #expect(throws: CryptoError.badInput) {
            _ = try withByteView([UInt8](repeating: 9, count: count)) { _ = try key.sharedSecret(with: $0) }
        }
        #expect(throws: CryptoError.badInput) {
            _ = try X25519PrivateKey(SecretKey(copying: ByteView("short")))
        }
    }
}

@Suite struct HKDFTests {
    struct Vector: Sendable {
        var input: [UInt8]
        var salt: [UInt8]
        var info: [UInt8]
        var key: String
        var output: String
    }

    /// RFC 5869 appendix A.1 to A.3.
    static let vectors = [
        Vector(
            input: [UInt8](repeating: 0x0B, count: 22), salt: Array(0...0x0C), info: Array(0xF0...0xF9),
            key: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        Vector(
            input: Array(0...0x4F), salt: Array(0x60...0xAF), info: Array(0xB0...0xFF),
            key: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
        Vector(
            input: [UInt8](repeating: 0x0B, count: 22), salt: [], info: [],
            key: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    ]

    @Test(arguments: vectors) func vector(_ vector: Vector) throws {
        let key = try withByteView(vector.salt) { salt in
            try withByteView(vector.input) { try HKDF.extract(salt: salt, inputKeyingMaterial: $0) }
        }
        #expect(text(key) == vector.key)
        // Every shorter output is a beginning of the whole.
        for count in 1...vector.output.utf8.count / 2 {
            let output = try withByteView(vector.info) { try HKDF.expand(key, info: $0, byteCount: count) }
            #expect(text(output) == String(vector.output.prefix(count * 2)))
        }
    }

    @Test(arguments: [-1, 0, HKDF.maximumByteCount + 1]) func lengthsOutsideTheRangeAreRefused(count: Int) {
        let key = SecretKey(copying: ByteView("0123456789abcdef0123456789abcdef"))
        #expect(throws: CryptoError.badInput) { _ = try HKDF.expand(key, info: .empty, byteCount: count) }
    }
}
