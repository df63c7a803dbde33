package import Primitives

/// One duplex byte stream (TCP, with or without TLS, or a simulated one), as the core sees it.
///
/// Its write half is not here: it is handed out once, as a ``WriteHalf``, when the connection is made.
///
///       handler                                 driver
///       requestFlush()  ───────────────▶  dirty list
///       flush()         ◀───────────────  at the end of the turn, once
///       writeHalf.write ───────────────▶  socket
///       writeCompleted  ◀───────────────  only after `.inFlight`
package protocol Connection: AnyObject {
    /// Where the peer is; for logs and per-address limits.
    var peer: PeerAddress { get }

    /// Who hears what happens. Kept until the connection has ended; may be replaced (an upgrade).
    var handler: (any ConnectionHandler)? { get set }

    /// Asks for one ``ConnectionHandler/flush()`` at the end of this turn of the loop. Any number of calls make one.
    func requestFlush()

    /// Asks for ``ConnectionHandler/deadlineReached()`` at or after `deadline`; nil for never. There is one deadline
    /// per connection, a new one replaces it. Moving it later costs O(1).
    func setDeadline(_ deadline: MonotonicInstant?)

    /// Stops reading, so that the peer feels back-pressure. Reasons are counted: as many resumes end it.
    func pauseReading()
    func resumeReading()

    /// Sends FIN once everything handed to the write half has left. Reading goes on.
    func finishWriting()

    /// Ends the connection now, both ways, in good order (FIN; bytes in flight that the kernel has still leave).
    /// ``ConnectionHandler/closed(_:)`` follows, later in this turn or in the next, never inside this call.
    func close()
}

/// Hears what happens on one connection. All calls come on the connection's loop, never nested in each other.
package protocol ConnectionHandler: AnyObject {
    /// Bytes came. The view may be changed in place, has ``ByteQueue/padding`` readable bytes behind it, and is gone
    /// when the call returns.
    func received(_ bytes: MutableByteView)
    /// The peer will send no more (FIN, or TLS close_notify). Writing may go on.
    func peerFinished()
    /// The turn ends and a flush was requested: hand what waits to the write half.
    func flush()
    /// The batch that was `.inFlight` has left.
    func writeCompleted()
    /// The deadline set by ``Connection/setDeadline(_:)`` has come. It is not set any more.
    func deadlineReached()
    /// The connection has ended. The last call, made exactly once.
    func closed(_ end: ConnectionEnd)
}

/// Why a connection ended.
package enum ConnectionEnd: Sendable, Equatable {
    /// This side called ``Connection/close()``.
    case closedHere
    /// Reset, broken pipe, time-out in the kernel, a TLS failure: `reason` is the system's own short text.
    case failed(reason: String)
    /// The driver stops.
    case shutdown
}

/// The address of a peer, without name look-up.
package struct PeerAddress: Hashable, Sendable {
    /// `192.0.2.1` or `2001:db8::1`.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    package var isLoopback: Bool { host == "::1" || host.hasPrefix("127.") || host.hasPrefix("::ffff:127.") }
}

/// Makes handlers for connections that a listener accepts.
package protocol ConnectionAcceptor: AnyObject {
    /// A connection was accepted. The acceptor sets its handler before it returns, or closes it.
    func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf)
}
