extension FrameWriter {
    /// Bounds of one connection's output (docs/protocol.md, "The writer rule").
    package struct Limits: Sendable, Equatable {
        /// Longest time that one batch may stay in flight.
        package var writeTimeout: Duration = .seconds(10)
        /// Most texts that wait.
        package var waitingMessageCount = 64
        /// Most bytes of texts that wait: 64 messages of the greatest length would be 1 GiB.
        package var waitingByteCount = 64 * 1024 * 1024
        /// Most PONGs that wait.
        package var waitingPongCount = 1024
        /// Most bytes of PONG frames that wait.
        package var waitingPongByteCount = 128 * 1024
        /// How long the peer's Close is waited for once this side's has left.
        package var closeDrain: Duration = .milliseconds(100)
        /// Longest payload of one text.
        package var messageByteCount = 16 * 1024 * 1024

        package init() {}
    }

    /// Why a frame was not queued.
    package enum Refusal: Error, Equatable, Sendable {
        /// As many messages, or bytes, wait as may: the peer reads too slowly.
        case backpressure
        case tooManyPongs
        case messageTooBig
        /// A Close was queued or received, or the connection is gone.
        case closing
    }

    package enum Progress: Equatable, Sendable {
        case `continue`
        /// The owner closes the connection now.
        case finished(Ending)
    }

    package enum Ending: Equatable, Sendable {
        /// Both Closes were exchanged.
        case closeHandshakeDone
        /// The Close was written, and the peer's did not come in time.
        case closeDrained
        /// The peer did not take a batch in time.
        case writeTimedOut
        /// The driver says that the connection is gone.
        case connectionClosed
    }
}
