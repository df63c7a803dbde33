import CLibuv

/// Random bytes of the kernel, fetched many at a time: one system call per request would cost more than its routing.
///
/// What has been handed out is overwritten, so that a later look at the memory does not tell past ids.
struct RandomReserve {
    private static let byteCount = 1024
    /// More than this at once is a key and not an id; it comes straight from the kernel and lies nowhere else.
    private static let largestServing = 16

    private var bytes = [UInt8](repeating: 0, count: byteCount)
    private var used = byteCount

    mutating func fill(_ target: UnsafeMutableRawBufferPointer) {
        guard target.count <= Self.largestServing else { return Self.fillFromKernel(target) }
        if Self.byteCount - used < target.count {
            bytes.withUnsafeMutableBytes { Self.fillFromKernel($0) }
            used = 0
        }
        bytes.withUnsafeMutableBytes { bytes in
            let serving = UnsafeMutableRawBufferPointer(rebasing: bytes[used..<used + target.count])
            target.copyMemory(from: UnsafeRawBufferPointer(serving))
            serving.initializeMemory(as: UInt8.self, repeating: 0)
        }
        used += target.count
    }

    private static func fillFromKernel(_ target: UnsafeMutableRawBufferPointer) {
        guard target.count > 0 else { return }
        let code = uv_random(nil, nil, target.baseAddress, target.count, 0, nil)
        // Going on without randomness would make ids and keys that can be guessed.
        guard code == 0 else { fatalError("the system gives no random bytes: \(systemMessage(code))") }
    }
}
