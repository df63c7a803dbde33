import COpenSSL
package import Primitives

/// Bytes that nobody else may see. They are overwritten when the value ends; a value that cannot be copied cannot be
/// printed, logged or left behind either.
package struct SecretKey: ~Copyable {
    package let byteCount: Int
    private let storage: UnsafeMutablePointer<UInt8>

    /// `fill` writes the bytes: from the environment's random source, or from a derivation.
    package init<Failure: Error>(
        byteCount: Int, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        self.byteCount = byteCount
        storage = .allocate(capacity: max(byteCount, 1))
        storage.initialize(repeating: 0, count: max(byteCount, 1))
        try fill(UnsafeMutableRawBufferPointer(start: storage, count: byteCount))
    }

    /// A copy of `bytes`; whoever owns those has to see to their end.
    package init(copying bytes: ByteView) {
        self.init(byteCount: bytes.count) { $0.copyMemory(from: bytes.buffer) }
    }

    deinit {
        OPENSSL_cleanse(storage, byteCount)
        storage.deallocate()
    }

    @inline(__always) package borrowing func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(ByteView(base: storage, count: byteCount))
    }
}

/// Overwrites bytes that held something secret.
package func cleanse(_ bytes: MutableByteView) { OPENSSL_cleanse(bytes.base, bytes.count) }
