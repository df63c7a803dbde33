import Primitives
import TestKit
import WebSocketCodec

/// What a writer did wrong.
enum WriterFault: Equatable, Hashable {
    case malformed(String)
    case frameCutOff(leftover: Int)
    case writeRule(String)
    case textsDiffer(expected: Int, came: Int)
    case textsOutOfOrder
    case pongsMissing(Int)
    case pongsUnasked(Int)
    case unexpectedFrame(opcode: UInt8)
    case unexpectedClose(code: UInt16?, reason: String)
    case closeMissing
    case refused(message: Int)
    case acceptedTooMany(message: Int)
    case acceptedAfterClose
    case ended(String)
    case notEnded
    case deadlineWhileIdle
    case doesNotFinish
}

/// One writer, a pipe behind it, a peer that reads frames on its own, and a clock that moves when told.
final class WriterRig {
    let pipe: BytePipe
    let writer: any TestedWriter
    private(set) var now = MonotonicInstant(nanoseconds: 1_000_000_000)
    private(set) var frames: [RawFrame] = []
    private(set) var ending: FrameWriter.Ending?
    private(set) var endedAt: MonotonicInstant?
    private(set) var faults: [WriterFault] = []
    private var reader = RawFrameReader(expectsMask: false)
    private var readerGaveUp = false

    init(_ maker: WriterMaker, limits: FrameWriter.Limits = FrameWriter.Limits(), pipe: BytePipe = BytePipe()) {
        self.pipe = pipe
        writer = maker.make(WriteHalf(pipe), limits)
    }

    func add(_ fault: WriterFault) { faults.append(fault) }

    func check(_ holds: Bool, _ fault: @autoclosure () -> WriterFault) {
        if !holds { faults.append(fault()) }
    }

    /// The end of a turn of the loop.
    func flush() { note(writer.flush(now: now)) }

    func peerClosed() { note(writer.closeReceived(now: now)) }

    /// Lets time pass, and every deadline in it, in order.
    func advance(by duration: Duration) {
        let target = now + duration
        while ending == nil, let deadline = writer.nextDeadline, deadline <= target {
            now = max(now, deadline)
            note(writer.deadlineReached(now: now))
            if writer.nextDeadline == deadline {
                faults.append(.doesNotFinish)
                break
            }
        }
        now = target
    }

    /// The peer reads one piece. False if there was none.
    @discardableResult func readPiece() -> Bool {
        let piece = pipe.read()
        if !readerGaveUp, !piece.isEmpty {
            reader.append(piece)
            do throws(RawFrameReader.Fault) {
                while let frame = try reader.next() { frames.append(frame) }
            } catch {
                faults.append(.malformed("\(error)"))
                readerGaveUp = true
            }
        }
        if ending == nil, pipe.takeCompletion() { note(writer.writeCompleted(now: now)) }
        return !piece.isEmpty
    }

    /// The peer reads until there is nothing more.
    func readAll() {
        var pieces = 0
        while readPiece() {
            pieces += 1
            guard pieces < 1_000_000 else { return faults.append(.doesNotFinish) }
        }
    }

    /// Turns and reads, until neither brings anything more.
    func finish() {
        var batchCount = -1
        while ending == nil, batchCount != pipe.batches.count {
            batchCount = pipe.batches.count
            flush()
            readAll()
        }
    }

    private func note(_ progress: FrameWriter.Progress) {
        guard case .finished(let ending) = progress else { return }
        self.ending = ending
        endedAt = now
        pipe.close()
    }

    /// While nothing is in flight and no Close is on its way, there must be no deadline.
    func checkIdle() { check(writer.nextDeadline == nil, .deadlineWhileIdle) }

    func checkEnding(_ expected: FrameWriter.Ending?, at instant: MonotonicInstant? = nil) {
        if ending == nil, expected != nil {
            add(.notEnded)
        } else if ending != expected || (instant != nil && endedAt != instant) {
            add(.ended("\(ending.map { "\($0)" } ?? "-") at \(endedAt?.nanoseconds ?? 0)"))
        }
    }

    /// Compares all that came with all that was sent.
    func checkFrames(texts: [[UInt8]], pongs: [[UInt8]] = [], close: (code: UInt16, reason: String)? = nil) {
        if !readerGaveUp { check(reader.leftover == 0, .frameCutOff(leftover: reader.leftover)) }
        faults += pipe.violations.map { .writeRule("\($0)") }

        let textsThatCame = frames.filter { $0.opcode == RawFrame.text }.map(\.payload)
        if textsThatCame != texts {
            let sameButForOrder = Set(textsThatCame) == Set(texts) && textsThatCame.count == texts.count
            add(sameButForOrder ? .textsOutOfOrder : .textsDiffer(expected: texts.count, came: textsThatCame.count))
        }

        var unanswered: [[UInt8]: Int] = [:]
        for pong in pongs { unanswered[pong, default: 0] += 1 }
        for frame in frames where frame.opcode == RawFrame.pong { unanswered[frame.payload, default: 0] -= 1 }
        let missing = unanswered.values.filter { $0 > 0 }.reduce(0, +)
        let unasked = -unanswered.values.filter { $0 < 0 }.reduce(0, +)
        check(missing == 0, .pongsMissing(missing))
        check(unasked == 0, .pongsUnasked(unasked))

        for frame in frames where ![RawFrame.text, RawFrame.pong, RawFrame.close].contains(frame.opcode) {
            add(.unexpectedFrame(opcode: frame.opcode))
        }
        let closes = frames.filter { $0.opcode == RawFrame.close }
        for frame in closes where close == nil || frame.closeCode != close?.code || frame.closeReason != close?.reason {
            add(.unexpectedClose(code: frame.closeCode, reason: frame.closeReason))
        }
        if close != nil { check(frames.last?.opcode == RawFrame.close, .closeMissing) }
    }
}
