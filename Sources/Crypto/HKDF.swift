import COpenSSL
package import Primitives

/// HKDF with SHA-256 (RFC 5869).
package enum HKDF {
    /// Longest output: 255 digests.
    package static let maximumByteCount = 255 * SHA256.byteCount

    package static func extract(salt: ByteView, inputKeyingMaterial: ByteView) throws(CryptoError) -> SecretKey {
        try SecretKey(byteCount: SHA256.byteCount) { target throws(CryptoError) in
            try authenticate(key: salt, inputKeyingMaterial, into: target)
        }
    }

    /// - Parameter byteCount: 1...``maximumByteCount``.
    package static func expand(
        _ pseudorandomKey: borrowing SecretKey, info: ByteView, byteCount: Int
    ) throws(CryptoError) -> SecretKey {
        guard (1...maximumByteCount).contains(byteCount) else { throw .badInput }
        // T(i) = HMAC(PRK, T(i-1) | info | i), and the output is the beginning of T(1) | T(2) | …
        return try SecretKey(byteCount: byteCount) { target throws(CryptoError) in
            var block = ByteQueue()
            defer { if let rest = block.mutableView { cleanse(rest) } }
            var written = 0
            var counter: UInt8 = 1
            let digest = try SecretKey(byteCount: SHA256.byteCount) { digest throws(CryptoError) in
                while written < byteCount {
                    if let old = block.mutableView { cleanse(old) }
                    block.truncate(to: 0)
                    if counter > 1 { block.append(ByteView(UnsafeRawBufferPointer(digest))) }
                    block.append(info)
                    block.append(counter)
                    try pseudorandomKey.withBytes { key throws(CryptoError) in
                        try authenticate(key: key, block.view, into: digest)
                    }
                    let length = min(digest.count, byteCount - written)
                    UnsafeMutableRawBufferPointer(rebasing: target[written..<written + length])
                        .copyMemory(from: UnsafeRawBufferPointer(rebasing: digest[..<length]))
                    written += length
                    counter &+= 1
                }
            }
            _ = consume digest
        }
    }

    private static func authenticate(
        key: ByteView, _ message: ByteView, into target: UnsafeMutableRawBufferPointer
    ) throws(CryptoError) {
        guard let keyLength = Int32(exactly: key.count) else { throw .badInput }
        var length = UInt32(target.count)
        let bytes = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard HMAC(EVP_sha256(), key.base, keyLength, message.base, message.count, bytes, &length) != nil,
            Int(length) == target.count
        else { throw libraryFailure() }
    }
}
