import CLibuv
import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What can be learned about a socket without taking bytes from it.
enum SocketCondition: Equatable {
    case quiet
    /// The peer has finished and nothing is left to read before that.
    case finished
    /// A negative error number.
    case failed(Int32)
}

func socketCondition(_ descriptor: Int32) -> SocketCondition {
    var byte: UInt8 = 0
    let count = recv(descriptor, &byte, 1, peekFlags)
    if count == 0 { return .finished }
    if count < 0 {
        let code = errno
        return code == EAGAIN || code == EWOULDBLOCK || code == EINTR ? .quiet : .failed(-code)
    }
    // Unread bytes hide a reset from `recv`, but not from here.
    let code = socketError(descriptor)
    return code == 0 ? .quiet : .failed(-code)
}

/// The error that waits on the socket, as a positive number; reading it clears it.
func socketError(_ descriptor: Int32) -> Int32 {
    var code: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 else { return errno }
    return code
}

/// Takes what has arrived already and drops it, at most 1 MiB: closing a socket with unread bytes resets the connection,
/// and the peer may lose the end of what was sent to it.
func discardUnread(_ descriptor: Int32) {
    withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 16) { buffer in
        for _ in 0..<64 where recv(descriptor, buffer.baseAddress, buffer.count, receiveFlags) <= 0 { return }
    }
}
