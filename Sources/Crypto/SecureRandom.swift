import COpenSSL
package import Primitives

/// Random numbers fit for keys and tokens: OpenSSL's generator, seeded by the kernel.
package enum SecureRandom {
    /// Stops the process if the generator fails: predictable keys would be worse.
    package static func fill(_ target: UnsafeMutableRawBufferPointer) {
        guard var next = target.baseAddress else { return }
        var left = target.count
        while left > 0 {
            let length = min(left, 1 << 20)
            precondition(
                RAND_bytes(next.assumingMemoryBound(to: UInt8.self), Int32(length)) == 1, "OpenSSL gives no randomness")
            next += length
            left -= length
        }
    }

    package static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { fill($0) }
        return bytes
    }

    package static func number() -> UInt64 {
        var number: UInt64 = 0
        withUnsafeMutableBytes(of: &number) { fill($0) }
        return number
    }
}

/// Compares without telling, by the time it takes, where the first difference is. Different lengths answer at once:
/// the length of a secret is no secret.
package func equalsInConstantTime(_ left: ByteView, _ right: ByteView) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left.base, right.base, left.count) == 0
}
