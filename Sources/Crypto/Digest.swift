import COpenSSL
package import Primitives

/// SHA-1 (FIPS 180-4). Only for the WebSocket handshake, where RFC 6455 asks for it; it protects nothing.
package enum SHA1 {
    package static let byteCount = 20

    package static func digest(of bytes: ByteView) -> [UInt8] { digestBytes(of: bytes, EVP_sha1(), Self.byteCount) }
}

/// SHA-256 (FIPS 180-4).
package enum SHA256 {
    package static let byteCount = 32

    package static func digest(of bytes: ByteView) -> [UInt8] { digestBytes(of: bytes, EVP_sha256(), Self.byteCount) }
}

private func digestBytes(of bytes: ByteView, _ algorithm: OpaquePointer?, _ byteCount: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
        let status = EVP_Digest(bytes.base, bytes.count, target.baseAddress, nil, algorithm, nil)
        // It fails only where the library itself is broken or has no memory; a wrong digest must not go on from here.
        precondition(status == 1, "OpenSSL computes no digest")
        count = byteCount
    }
}
