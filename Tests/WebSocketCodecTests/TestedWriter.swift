import Primitives
import WebSocketCodec

/// What the harness drives: the product's writer, or one that is wrong on purpose.
protocol TestedWriter: AnyObject {
    func queueText(_ payload: [UInt8]) -> FrameWriter.Refusal?
    func queuePong(_ payload: [UInt8]) -> FrameWriter.Refusal?
    func queueClose(_ code: CloseCode, reason: String)
    func flush(now: MonotonicInstant) -> FrameWriter.Progress
    func writeCompleted(now: MonotonicInstant) -> FrameWriter.Progress
    func deadlineReached(now: MonotonicInstant) -> FrameWriter.Progress
    func closeReceived(now: MonotonicInstant) -> FrameWriter.Progress
    var nextDeadline: MonotonicInstant? { get }
}

/// Makes the writer under test; a server's.
struct WriterMaker: Sendable, CustomStringConvertible {
    var description: String
    var make: @Sendable (consuming WriteHalf, FrameWriter.Limits) -> any TestedWriter

    static let product = WriterMaker(description: "FrameWriter") { half, limits in
        ProductWriter(FrameWriter(role: .server, limits: limits, writeHalf: half))
    }

    static func array(_ defect: ArrayWriter.Defect?) -> WriterMaker {
        WriterMaker(description: defect.map { "\($0)" } ?? "array writer") { half, limits in
            ArrayWriter(defect, half, limits)
        }
    }
}

final class ProductWriter: TestedWriter {
    var writer: FrameWriter

    init(_ writer: consuming FrameWriter) { self.writer = writer }

    func queueText(_ payload: [UInt8]) -> FrameWriter.Refusal? {
        do throws(FrameWriter.Refusal) {
            try writer.queueText(estimatedByteCount: payload.count) { $0.append(payload) }
            return nil
        } catch { return error }
    }

    func queuePong(_ payload: [UInt8]) -> FrameWriter.Refusal? {
        withByteView(payload) { payload in
            do throws(FrameWriter.Refusal) {
                try writer.queuePong(payload)
                return nil
            } catch { return error }
        }
    }

    func queueClose(_ code: CloseCode, reason: String) { writer.queueClose(code, reason: reason) }
    func flush(now: MonotonicInstant) -> FrameWriter.Progress { writer.flush(now: now) }
    func writeCompleted(now: MonotonicInstant) -> FrameWriter.Progress { writer.writeCompleted(now: now) }
    func deadlineReached(now: MonotonicInstant) -> FrameWriter.Progress { writer.deadlineReached(now: now) }
    func closeReceived(now: MonotonicInstant) -> FrameWriter.Progress { writer.closeReceived(now: now) }
    var nextDeadline: MonotonicInstant? { writer.nextDeadline }
}
