/// What a driver answers when it was given bytes for the socket.
public enum WriteOutcome: Sendable, Equatable {
    /// The kernel has all of them.
    case written
    /// The driver keeps a copy of the rest and reports once, later, that the batch is done.
    case inFlight
    /// The connection is gone; the driver reports the end by itself.
    case closed
}

/// The driver's side of ``WriteHalf``.
public protocol ByteSink: AnyObject {
    /// Takes all of `batch`, at once or over time. Not called again while a batch is in flight.
    func write(_ batch: ByteView) -> WriteOutcome
}

/// The right to write to one connection. There is one per connection and it cannot be copied: whoever holds it is the
/// only writer (protocol.md, the writer rule).
public struct WriteHalf: ~Copyable {
    /// Most bytes handed to the socket in one batch, so that a write deadline means something.
    public static let batchByteCount = 64 * 1024

    private let sink: any ByteSink

    /// For drivers and their stand-ins in tests only; everybody else receives one.
    public init(_ sink: any ByteSink) { self.sink = sink }

    /// Hands over one batch of at most ``batchByteCount`` bytes; the bytes may be reused when the call returns.
    @inline(__always) public borrowing func write(_ batch: ByteView) -> WriteOutcome { sink.write(batch) }

    /// Writes nowhere; what is left behind when the real one has moved on.
    public static var none: WriteHalf { WriteHalf(ClosedSink.shared) }
}

private final class ClosedSink: ByteSink, Sendable {
    static let shared = ClosedSink()
    func write(_ batch: ByteView) -> WriteOutcome { .closed }
}
