import COpenSSL
package import Primitives

/// AES-256 in Galois/Counter mode (NIST SP 800-38D), one direction under one key. The key's schedule is kept between
/// messages, so a message costs no allocation.
package enum AESGCM {
    package static let keyByteCount = 32
    package static let nonceByteCount = 12
    package static let tagByteCount = 16
    package typealias Nonce = InlineArray<12, UInt8>
    package typealias Tag = InlineArray<16, UInt8>

    /// OpenSSL counts in `int`; far above any message of the network.
    fileprivate static let maximumByteCount = Int(Int32.max) - 64
}

package struct AESGCMSealer: ~Copyable {
    private let context: OpaquePointer

    package init(key: borrowing SecretKey) throws(CryptoError) {
        context = try makeContext(key) { EVP_EncryptInit_ex($0, $1, nil, $2, nil) }
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Encrypts `message` where it stands. The additional data may come in two pieces, so that nobody has to join them.
    ///
    /// A nonce must never be used twice under one key: the caller counts.
    package mutating func seal(
        _ message: MutableByteView, nonce: AESGCM.Nonce, additionalData first: ByteView, _ second: ByteView = .empty
    ) throws(CryptoError) -> AESGCM.Tag {
        guard first.count + second.count + message.count <= AESGCM.maximumByteCount else { throw .badInput }
        var nonce = nonce
        let started = withUnsafeBytes(of: &nonce) {
            EVP_EncryptInit_ex(context, nil, nil, nil, $0.baseAddress?.assumingMemoryBound(to: UInt8.self))
        }
        var length: Int32 = 0
        guard started == 1,
            first.isEmpty || EVP_EncryptUpdate(context, nil, &length, first.base, Int32(first.count)) == 1,
            second.isEmpty || EVP_EncryptUpdate(context, nil, &length, second.base, Int32(second.count)) == 1,
            message.isEmpty
                || EVP_EncryptUpdate(context, message.base, &length, message.base, Int32(message.count)) == 1,
            EVP_EncryptFinal_ex(context, message.base + message.count, &length) == 1, length == 0
        else { throw libraryFailure() }
        var tag = AESGCM.Tag(repeating: 0)
        let got = withUnsafeMutableBytes(of: &tag) {
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32($0.count), $0.baseAddress)
        }
        guard got == 1 else { throw libraryFailure() }
        return tag
    }
}

package struct AESGCMOpener: ~Copyable {
    private let context: OpaquePointer

    package init(key: borrowing SecretKey) throws(CryptoError) {
        context = try makeContext(key) { EVP_DecryptInit_ex($0, $1, nil, $2, nil) }
    }

    deinit { EVP_CIPHER_CTX_free(context) }

    /// Decrypts `message` where it stands and tells whether it is authentic. If it is not, nothing of it is left.
    package mutating func open(
        _ message: MutableByteView, nonce: AESGCM.Nonce, tag: AESGCM.Tag, additionalData first: ByteView,
        _ second: ByteView = .empty
    ) -> Bool {
        guard first.count + second.count + message.count <= AESGCM.maximumByteCount else { return false }
        var nonce = nonce
        var tag = tag
        let started = withUnsafeBytes(of: &nonce) {
            EVP_DecryptInit_ex(context, nil, nil, nil, $0.baseAddress?.assumingMemoryBound(to: UInt8.self))
        }
        var length: Int32 = 0
        guard started == 1,
            first.isEmpty || EVP_DecryptUpdate(context, nil, &length, first.base, Int32(first.count)) == 1,
            second.isEmpty || EVP_DecryptUpdate(context, nil, &length, second.base, Int32(second.count)) == 1,
            message.isEmpty
                || EVP_DecryptUpdate(context, message.base, &length, message.base, Int32(message.count)) == 1,
            withUnsafeMutableBytes(
                of: &tag, { EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32($0.count), $0.baseAddress) })
                == 1,
            EVP_DecryptFinal_ex(context, message.base + message.count, &length) == 1, length == 0
        else {
            cleanse(message)
            ERR_clear_error()
            return false
        }
        return true
    }
}

private func makeContext(
    _ key: borrowing SecretKey, _ start: (OpaquePointer, OpaquePointer?, UnsafePointer<UInt8>) -> Int32
) throws(CryptoError) -> OpaquePointer {
    guard key.byteCount == AESGCM.keyByteCount else { throw .badInput }
    guard let context = EVP_CIPHER_CTX_new() else { throw libraryFailure() }
    guard key.withBytes({ start(context, EVP_aes_256_gcm(), $0.base) }) == 1 else {
        EVP_CIPHER_CTX_free(context)
        throw libraryFailure()
    }
    return context
}
