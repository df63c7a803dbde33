import Primitives
import TestKit
import WebSocketCodec

/// A slow and simple writer out of arrays, one frame per batch. Right without a defect; with one, wrong in just that
/// point, to show that the harness sees it.
final class ArrayWriter: TestedWriter {
    enum Defect: CaseIterable {
        /// Header and payload are two writes, and a PONG may go between them.
        case interleavesPong
        /// The deadline of the last text stays when the text has left, and a PONG or a Close runs against it.
        case keepsStaleDeadline
        /// Of several PONGs that wait, only the last is sent.
        case dropsPongs
        case sendsPongsTwice
        /// Each bit of progress gives the peer the whole time again.
        case extendsDeadlineOnProgress
        case hasNoDeadline
        /// Accepts texts after the Close.
        case letsTextFollowClose
        /// The Close goes before what waits.
        case letsCloseOvertake
        case losesCloseReason
        case neverEndsAfterClose
        case refusesMessage64
        case acceptsMessage65
        case reordersTexts
        case writesWhileInFlight
    }

    private let defect: Defect?
    private let half: WriteHalf
    private let limits: FrameWriter.Limits
    private var texts: [[UInt8]] = []
    private var pongs: [[UInt8]] = []
    private var close: [UInt8]?
    private var rest: [UInt8] = []
    private var restIsClose = false
    private var inFlight = false
    private var isClosing = false
    private var peerClosed = false
    private var closeHasLeft = false
    private var hasEnded = false
    private(set) var nextDeadline: MonotonicInstant?

    init(_ defect: Defect?, _ half: consuming WriteHalf, _ limits: FrameWriter.Limits) {
        self.defect = defect
        self.half = half
        self.limits = limits
    }

    func queueText(_ payload: [UInt8]) -> FrameWriter.Refusal? {
        if isClosing || hasEnded, defect != .letsTextFollowClose { return .closing }
        let most =
            limits.waitingMessageCount + (defect == .acceptsMessage65 ? 1 : defect == .refusesMessage64 ? -1 : 0)
        guard texts.count < most else { return .backpressure }
        let frame = RawFrame(opcode: RawFrame.text, payload: payload).encoded()
        if defect == .reordersTexts, texts.count > 1 { texts.insert(frame, at: 1) } else { texts.append(frame) }
        return nil
    }

    func queuePong(_ payload: [UInt8]) -> FrameWriter.Refusal? {
        if isClosing || hasEnded { return .closing }
        let frame = RawFrame(opcode: RawFrame.pong, payload: payload).encoded()
        if defect == .dropsPongs { pongs = [] }
        if defect == .sendsPongsTwice { pongs.append(frame) }
        pongs.append(frame)
        return nil
    }

    func queueClose(_ code: CloseCode, reason: String) {
        guard !isClosing, !hasEnded else { return }
        isClosing = true
        let reason = defect == .losesCloseReason ? "" : reason
        let payload = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)] + Array(reason.utf8)
        close = RawFrame(opcode: RawFrame.close, payload: payload).encoded()
    }

    func flush(now: MonotonicInstant) -> FrameWriter.Progress {
        while !hasEnded, !inFlight || defect == .writesWhileInFlight, let (batch, isText, endsWithClose) = nextBatch() {
            switch withByteView(batch, { half.write($0) }) {
            case .written:
                if endsWithClose { return closeLeft(now: now) }
                // The other thread's turn.
                if defect == .interleavesPong, rest.count > 400 { return .continue }
            case .inFlight:
                inFlight = true
                restIsClose = endsWithClose
                if defect == .keepsStaleDeadline {
                    if isText { nextDeadline = now + limits.writeTimeout }
                } else if defect != .hasNoDeadline {
                    nextDeadline = now + limits.writeTimeout
                }
            case .closed:
                return end(.connectionClosed)
            }
        }
        return .continue
    }

    private func nextBatch() -> (batch: [UInt8], isText: Bool, endsWithClose: Bool)? {
        if defect == .interleavesPong, let pong = takePong() { return (pong, false, false) }
        if !rest.isEmpty { return (takeRest(), true, false) }
        if defect == .letsCloseOvertake, let close { return takeClose(close) }
        if let pong = takePong() { return (pong, false, false) }
        guard !texts.isEmpty else { return close.flatMap { takeClose($0) } }
        rest = texts.removeFirst()
        if defect == .interleavesPong {
            let header = Array(rest.prefix(2))
            rest.removeFirst(2)
            return (header, true, false)
        }
        return (takeRest(), true, false)
    }

    private func takePong() -> [UInt8]? { pongs.isEmpty ? nil : pongs.removeFirst() }

    private func takeClose(_ frame: [UInt8]) -> (batch: [UInt8], isText: Bool, endsWithClose: Bool) {
        close = nil
        return (frame, false, true)
    }

    private func takeRest() -> [UInt8] {
        let batch = Array(rest.prefix(defect == .extendsDeadlineOnProgress ? 10 : WriteHalf.batchByteCount))
        rest.removeFirst(batch.count)
        return batch
    }

    func writeCompleted(now: MonotonicInstant) -> FrameWriter.Progress {
        guard inFlight, !hasEnded else { return .continue }
        inFlight = false
        if defect != .keepsStaleDeadline { nextDeadline = nil }
        if restIsClose { return closeLeft(now: now) }
        return flush(now: now)
    }

    private func closeLeft(now: MonotonicInstant) -> FrameWriter.Progress {
        if peerClosed { return end(.closeHandshakeDone) }
        closeHasLeft = true
        if defect != .neverEndsAfterClose { nextDeadline = now + limits.closeDrain }
        return defect == .letsTextFollowClose ? flush(now: now) : .continue
    }

    func deadlineReached(now: MonotonicInstant) -> FrameWriter.Progress {
        guard let nextDeadline, nextDeadline <= now, !hasEnded else { return .continue }
        return end(closeHasLeft ? .closeDrained : .writeTimedOut)
    }

    func closeReceived(now: MonotonicInstant) -> FrameWriter.Progress {
        peerClosed = true
        return closeHasLeft && !hasEnded ? end(.closeHandshakeDone) : .continue
    }

    private func end(_ ending: FrameWriter.Ending) -> FrameWriter.Progress {
        hasEnded = true
        nextDeadline = nil
        return .finished(ending)
    }
}
