import CLibuv
import Primitives

/// The rest of a batch that the socket did not take: libuv's request and a copy of the bytes, in one allocation that is
/// freed when libuv reports.
enum PendingWrite {
    private static let headerByteCount =
        (MemoryLayout<uv_write_t>.size + 15) / 16 * 16

    /// ``SocketConnection/writeReturned(_:)`` follows, later, also when the stream is closed meanwhile.
    /// - Returns: 0, or a negative error number; nothing follows then.
    static func start(_ bytes: ByteView, on stream: UnsafeMutablePointer<uv_stream_t>) -> Int32 {
        let block = UnsafeMutableRawPointer.allocate(byteCount: headerByteCount + bytes.count, alignment: 16)
        let request = block.bindMemory(to: uv_write_t.self, capacity: 1)
        let copy = block + headerByteCount
        copy.copyMemory(from: bytes.base, byteCount: bytes.count)
        var buffer = uv_buf_t()
        buffer.base = copy.assumingMemoryBound(to: CChar.self)
        buffer.len = numericCast(bytes.count)
        let code = uv_write(request, stream, &buffer, 1) { request, status in
            guard let request else { return }
            let connection = SocketConnection.of(request.pointee.handle?.pointee.data)
            UnsafeMutableRawPointer(request).deallocate()
            guard let connection else { return }
            connection.environment.enter { connection.writeReturned(status) }
        }
        if code != 0 { block.deallocate() }
        return code
    }
}
