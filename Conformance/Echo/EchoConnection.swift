import Environment
import Primitives
import WebSocketCodec

/// A WebSocket whose handshake is done: sends every message back as it came, in one frame.
final class EchoConnection: ConnectionHandler {
    /// Above the greatest message of the Autobahn suite, which is 16 MiB.
    private static let messageByteCount = 32 * 1024 * 1024

    private let connection: any Connection
    private let environment: any Environment
    private let onText: ((ByteView) -> Void)?
    private let onEnd: () -> Void
    private var decoder: FrameDecoder
    private var writer: FrameWriter

    /// - Parameter onText: takes the texts, which are then not sent back.
    init(
        _ role: WebSocketRole, _ connection: any Connection, _ writeHalf: consuming WriteHalf,
        on environment: any Environment, onText: ((ByteView) -> Void)? = nil, onEnd: @escaping () -> Void = {}
    ) {
        self.connection = connection
        self.environment = environment
        self.onText = onText
        self.onEnd = onEnd
        decoder = FrameDecoder(role: role, maxMessageByteCount: Self.messageByteCount)
        var limits = FrameWriter.Limits()
        limits.messageByteCount = Self.messageByteCount
        // The suite sends thousands of messages before it reads the first one.
        limits.waitingMessageCount = 100_000
        // A server closes first (RFC 6455 section 7.1.1), and does so within its ordinary time.
        if role == .client { limits.closeDrain = .seconds(1) }
        writer = FrameWriter(role: role, limits: limits, writeHalf: writeHalf, maskSeed: environment.randomID().low)
    }

    func received(_ bytes: MutableByteView) {
        var input = bytes
        do throws(WebSocketError) {
            while let event = try decoder.next(&input) { answer(event) }
        } catch {
            writer.queueClose(error.code, reason: error.reason.description)
        }
        connection.requestFlush()
    }

    private func answer(_ event: WebSocketEvent) {
        do throws(FrameWriter.Refusal) {
            switch event {
            case .text(let text):
                if let onText { onText(text) } else { try echo(text) }
            case .binary(let bytes): try writer.queueBinary(bytes)
            case .ping(let payload): try writer.queuePong(payload)
            case .pong: break
            case .close(let code, _):
                writer.queueClose(code)
                follow(writer.closeReceived(now: environment.now))
            }
        } catch {
            writer.queueClose(.policyViolation, reason: "\(error)")
        }
    }

    private func echo(_ text: ByteView) throws(FrameWriter.Refusal) {
        try writer.queueText(estimatedByteCount: text.count) { $0.append(text) }
    }

    private func follow(_ progress: FrameWriter.Progress) {
        if case .finished = progress { connection.close() } else { connection.setDeadline(writer.nextDeadline) }
    }

    func peerFinished() { connection.close() }
    func flush() { follow(writer.flush(now: environment.now)) }
    func writeCompleted() { follow(writer.writeCompleted(now: environment.now)) }
    func deadlineReached() { follow(writer.deadlineReached(now: environment.now)) }
    func closed(_ end: ConnectionEnd) { onEnd() }
}
