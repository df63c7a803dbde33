import COpenSSL
package import Primitives

/// Half of a key agreement over Curve25519 (RFC 7748).
package struct X25519PrivateKey: ~Copyable {
    package static let byteCount = 32

    private let key: OpaquePointer
    /// What the other side needs, 32 bytes.
    package let publicKey: [UInt8]

    /// - Parameter secret: 32 random bytes.
    package init(_ secret: borrowing SecretKey) throws(CryptoError) {
        guard secret.byteCount == Self.byteCount else { throw .badInput }
        let key = secret.withBytes { EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nil, $0.base, $0.count) }
        guard let key else { throw libraryFailure() }
        var length = Self.byteCount
        var bytes = [UInt8](repeating: 0, count: Self.byteCount)
        guard EVP_PKEY_get_raw_public_key(key, &bytes, &length) == 1, length == Self.byteCount else {
            EVP_PKEY_free(key)
            throw libraryFailure()
        }
        self.key = key
        publicKey = bytes
    }

    deinit { EVP_PKEY_free(key) }

    /// The secret that the owner of `peerPublicKey` comes to as well.
    package borrowing func sharedSecret(with peerPublicKey: ByteView) throws(CryptoError) -> SecretKey {
        guard peerPublicKey.count == Self.byteCount else { throw .badInput }
        guard let peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nil, peerPublicKey.base, peerPublicKey.count)
        else { throw libraryFailure() }
        defer { EVP_PKEY_free(peer) }
        guard let context = EVP_PKEY_CTX_new(key, nil) else { throw libraryFailure() }
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_derive_init(context) == 1, EVP_PKEY_derive_set_peer(context, peer) == 1 else {
            throw libraryFailure()
        }
        let secret = try SecretKey(byteCount: Self.byteCount) { target throws(CryptoError) in
            var length = target.count
            let bytes = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
            // Of a key in good order it refuses nothing but a point of small order.
            guard EVP_PKEY_derive(context, bytes, &length) == 1, length == target.count else {
                ERR_clear_error()
                throw .weakPublicKey
            }
        }
        // RFC 7748 section 6.1 asks for this check; OpenSSL makes it too, but does not promise it.
        guard secret.withBytes({ $0.buffer.reduce(0, |) != 0 }) else { throw .weakPublicKey }
        return secret
    }
}
