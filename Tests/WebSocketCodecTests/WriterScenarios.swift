import Primitives
import TestKit
import WebSocketCodec

/// The properties of the writer rule, each as a scene that any writer can be put through. A right one makes no fault.
enum WriterScenario: CaseIterable {
    case flood
    case floodWithBackpressure
    case idle
    case closeBehindQueue
    case closeWithAnswer
    case nothingAfterClose
    case backpressure
    case stuckPeer
    case tricklingReader

    func run(_ maker: WriterMaker, seed: UInt64 = 1) -> [WriterFault] {
        switch self {
        case .flood: Self.flood(maker, seed: seed, waitingMessageCount: 200)
        case .floodWithBackpressure: Self.flood(maker, seed: seed, waitingMessageCount: 64)
        case .idle: Self.idle(maker)
        case .closeBehindQueue: Self.closeBehindQueue(maker, seed: seed, peerAnswers: false)
        case .closeWithAnswer: Self.closeBehindQueue(maker, seed: seed, peerAnswers: true)
        case .nothingAfterClose: Self.nothingAfterClose(maker)
        case .backpressure: Self.backpressure(maker)
        case .stuckPeer: Self.stuckPeer(maker)
        case .tricklingReader: Self.tricklingReader(maker)
        }
    }

    /// 200 texts, one of them longer than a batch, and 200 PINGs at once, over a narrow pipe, all reads cut at random.
    private static func flood(_ maker: WriterMaker, seed: UInt64, waitingMessageCount: Int) -> [WriterFault] {
        var random = SeededRandom(seed: seed)
        var limits = FrameWriter.Limits()
        limits.waitingMessageCount = waitingMessageCount
        let pipe = BytePipe(capacity: 900, cuts: .random(SeededRandom(seed: seed &+ 1), atMost: 400))
        let rig = WriterRig(maker, limits: limits, pipe: pipe)

        let longText = Int.random(in: 0..<200, using: &random)
        let texts = (0..<200).map { number in
            let length = number == longText ? 150_000 : Int.random(in: 0...600, using: &random)
            return Array("\(number):".utf8) + [UInt8](repeating: 0x2E, count: length)
        }
        let pings = (0..<200).map { Array("ping \($0)".utf8) }
        var decoder = FrameDecoder(role: .server, maxMessageByteCount: 1000)
        var incoming = pings.flatMap { RawFrame(opcode: RawFrame.ping, isMasked: true, payload: $0).encoded() }[...]

        var nextText = 0
        var rounds = 0
        while nextText < texts.count || !incoming.isEmpty {
            rounds += 1
            guard rounds < 1_000_000 else {
                rig.add(.doesNotFinish)
                break
            }
            if nextText < texts.count, random.chance(0.6) {
                switch rig.writer.queueText(texts[nextText]) {
                case nil: nextText += 1
                case .backpressure? where waitingMessageCount < 200: rig.readPiece()
                case .some: rig.add(.refused(message: nextText + 1))
                }
            }
            if random.chance(0.6) {
                let piece = Array(incoming.prefix(Int.random(in: 1...40, using: &random)))
                incoming = incoming.dropFirst(piece.count)
                var events: [OwnedEvent] = []
                try? decoder.feed(piece, into: &events)
                for case .ping(let payload) in events where rig.writer.queuePong(payload) != nil {
                    rig.add(.pongsMissing(1))
                }
            }
            if random.chance(0.2) { rig.flush() }
            if random.chance(0.2) { rig.readPiece() }
            if random.chance(0.1) { rig.advance(by: .milliseconds(1)) }
            guard rig.faults.isEmpty else { break }
        }
        rig.finish()
        rig.checkIdle()
        rig.checkEnding(nil)
        rig.checkFrames(texts: texts, pongs: pings)
        return rig.faults
    }

    /// A session with a write time-out of 50 ms that rests ten times as long before each PING, three times in a row, and
    /// then before a Close.
    private static func idle(_ maker: WriterMaker) -> [WriterFault] {
        var limits = FrameWriter.Limits()
        limits.writeTimeout = .milliseconds(50)
        // So narrow that every frame is in flight for a while and gets a deadline.
        let rig = WriterRig(maker, limits: limits, pipe: BytePipe(capacity: 4))
        let text = Array("the last text before the silence".utf8)
        rig.check(rig.writer.queueText(text) == nil, .refused(message: 1))
        rig.flush()
        rig.advance(by: .milliseconds(10))
        rig.readAll()
        rig.checkIdle()

        for number in 1...3 {
            rig.advance(by: .milliseconds(500))
            rig.check(rig.writer.queuePong(Array("\(number)".utf8)) == nil, .pongsMissing(1))
            rig.flush()
            rig.advance(by: .milliseconds(1))
            rig.readAll()
            rig.checkEnding(nil)
            rig.checkIdle()
        }

        rig.advance(by: .milliseconds(500))
        rig.writer.queueClose(.goingAway, reason: "going away")
        rig.flush()
        rig.advance(by: .milliseconds(1))
        rig.readAll()
        rig.checkEnding(nil)
        rig.peerClosed()
        rig.checkEnding(.closeHandshakeDone, at: rig.now)
        rig.checkFrames(texts: [text], pongs: (1...3).map { Array("\($0)".utf8) }, close: (1001, "going away"))
        return rig.faults
    }

    /// A Close behind 64 texts and some PONGs: whole, last, and the end comes with the peer's answer or 100 ms after it.
    private static func closeBehindQueue(_ maker: WriterMaker, seed: UInt64, peerAnswers: Bool) -> [WriterFault] {
        let pipe = BytePipe(capacity: 300, cuts: .random(SeededRandom(seed: seed), atMost: 100))
        let rig = WriterRig(maker, pipe: pipe)
        let texts = (1...64).map { Array("message \($0)".utf8) }
        let pongs = (1...3).map { Array("pong \($0)".utf8) }
        for (index, text) in texts.enumerated() {
            rig.check(rig.writer.queueText(text) == nil, .refused(message: index + 1))
        }
        for pong in pongs { rig.check(rig.writer.queuePong(pong) == nil, .pongsMissing(1)) }
        rig.writer.queueClose(CloseCode(rawValue: 4001), reason: "invalid_hello: hostname")
        rig.writer.queueClose(.normal, reason: "a second cause")
        rig.flush()
        rig.readAll()
        rig.checkEnding(nil)
        if peerAnswers {
            rig.advance(by: .milliseconds(20))
            rig.peerClosed()
            rig.checkEnding(.closeHandshakeDone, at: rig.now)
        } else {
            let closeLeftAt = rig.now
            rig.advance(by: .milliseconds(99))
            rig.checkEnding(nil)
            rig.advance(by: .milliseconds(1))
            rig.checkEnding(.closeDrained, at: closeLeftAt + .milliseconds(100))
        }
        rig.checkFrames(texts: texts, pongs: pongs, close: (4001, "invalid_hello: hostname"))
        return rig.faults
    }

    /// The peer's Close comes, is echoed, and what the core still wants to say is refused.
    private static func nothingAfterClose(_ maker: WriterMaker) -> [WriterFault] {
        let rig = WriterRig(maker)
        let text = Array("before".utf8)
        rig.check(rig.writer.queueText(text) == nil, .refused(message: 1))
        rig.writer.queueClose(.normal, reason: "")
        rig.check(rig.writer.queueText(Array("after".utf8)) == .closing, .acceptedAfterClose)
        rig.check(rig.writer.queuePong([]) == .closing, .acceptedAfterClose)
        rig.flush()
        rig.check(rig.writer.queueText(Array("after".utf8)) == .closing, .acceptedAfterClose)
        rig.finish()
        rig.peerClosed()
        rig.checkEnding(.closeHandshakeDone, at: rig.now)
        rig.check(rig.writer.queueText(Array("after".utf8)) == .closing, .acceptedAfterClose)
        rig.flush()
        rig.readAll()
        rig.checkFrames(texts: [text], close: (1000, ""))
        return rig.faults
    }

    /// 64 texts may wait, the 65th is refused at once; once they have left there is room again.
    private static func backpressure(_ maker: WriterMaker) -> [WriterFault] {
        let rig = WriterRig(maker, pipe: BytePipe(capacity: 100))
        var texts: [[UInt8]] = []
        for round in 0..<2 {
            for number in 1...64 {
                let text = Array("\(round)-\(number)".utf8)
                rig.check(rig.writer.queueText(text) == nil, .refused(message: number))
                texts.append(text)
            }
            rig.check(rig.writer.queueText([0x41]) == .backpressure, .acceptedTooMany(message: 65))
            rig.check(rig.pipe.unreadByteCount == 0, .writeRule("written while queueing"))
            rig.flush()
            rig.readAll()
            rig.checkIdle()
        }
        rig.checkFrames(texts: texts)
        return rig.faults
    }

    /// A peer that stops reading is cut when the deadline of the batch in flight comes, not before.
    private static func stuckPeer(_ maker: WriterMaker) -> [WriterFault] {
        let rig = WriterRig(maker, pipe: BytePipe(capacity: 500))
        rig.pipe.isStalled = true
        for number in 1...64 {
            rig.check(rig.writer.queueText([UInt8](repeating: 0x41, count: 600)) == nil, .refused(message: number))
        }
        let start = rig.now
        rig.flush()
        rig.advance(by: .milliseconds(9_999))
        rig.checkEnding(nil)
        rig.check(rig.writer.queuePong([0x41]) == nil, .pongsMissing(1))
        rig.flush()
        rig.advance(by: .seconds(60))
        rig.checkEnding(.writeTimedOut, at: start + .seconds(10))
        rig.check(rig.writer.nextDeadline == nil, .deadlineWhileIdle)
        rig.flush()
        if rig.pipe.violations != [] { rig.add(.writeRule("\(rig.pipe.violations)")) }
        return rig.faults
    }

    /// A peer that takes ten bytes a second keeps reading for ever, but its batch is not done in time.
    private static func tricklingReader(_ maker: WriterMaker) -> [WriterFault] {
        let rig = WriterRig(maker, pipe: BytePipe(capacity: 10, cuts: .pieces(of: 10)))
        rig.check(rig.writer.queueText([UInt8](repeating: 0x41, count: 5_000)) == nil, .refused(message: 1))
        let start = rig.now
        rig.flush()
        for _ in 0..<30 where rig.ending == nil {
            rig.advance(by: .seconds(1))
            rig.readPiece()
        }
        rig.checkEnding(.writeTimedOut, at: start + .seconds(10))
        return rig.faults
    }
}
