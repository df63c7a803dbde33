package import Primitives

/// What a peer said. The views are valid until the decoder's next call.
package enum WebSocketEvent {
    /// One whole message of valid UTF-8, fragmented or not, with ``ByteQueue/padding`` readable bytes behind it.
    case text(ByteView)
    /// One whole message, with ``ByteQueue/padding`` readable bytes behind it.
    case binary(ByteView)
    case ping(ByteView)
    case pong(ByteView)
    /// `code` is nil for a Close without payload; `reason` is valid UTF-8.
    case close(code: CloseCode?, reason: ByteView)
}
