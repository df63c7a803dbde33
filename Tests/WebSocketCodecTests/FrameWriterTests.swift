import Primitives
import TestKit
import Testing
import WebSocketCodec

/// What the scenarios of the writer rule do not look at: bytes, batches, bounds, memory.
@Suite struct FrameWriterTests {
    private static let now = MonotonicInstant(nanoseconds: 7_000_000_000)

    private static func writer(
        _ pipe: BytePipe, role: WebSocketRole = .server, _ change: (inout FrameWriter.Limits) -> Void = { _ in }
    ) -> FrameWriter {
        var limits = FrameWriter.Limits()
        change(&limits)
        return FrameWriter(role: role, limits: limits, writeHalf: WriteHalf(pipe), maskSeed: 42)
    }

    private static func frames(_ pipe: BytePipe, role: WebSocketRole = .server) throws -> [RawFrame] {
        var reader = RawFrameReader(expectsMask: role == .client)
        var frames: [RawFrame] = []
        while pipe.isReadable { frames += try reader.frames(pipe.read()) }
        #expect(reader.leftover == 0)
        #expect(pipe.violations == [])
        return frames
    }

    @Test func bytesOfTheStandardsExample() throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe)
        try writer.queueText(estimatedByteCount: 5) { $0.append("Hello") }
        #expect(writer.flush(now: Self.now) == .continue)
        #expect(pipe.read() == [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F])
    }

    /// Whatever the guess, the header is the shortest one and the payload stands right behind it.
    @Test(arguments: [WebSocketRole.server, .client])
    func everyLengthClassFromEveryGuess(role: WebSocketRole) throws {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            for guess in [-5, 0, 125, 126, 65_535, 65_536, 1 << 40] {
                let pipe = BytePipe()
                var writer = Self.writer(pipe, role: role)
                let texts = ["before", String(repeating: "x", count: length), "behind"].map { Array($0.utf8) }
                for text in texts {
                    try writer.queueText(estimatedByteCount: guess) { $0.append(text) }
                }
                #expect(writer.flush(now: Self.now) == .continue)
                #expect(try Self.frames(pipe, role: role).map(\.payload) == texts, "\(length) from \(guess)")
                #expect(writer.allocatedByteCount == 0)
            }
        }
    }

    /// Binary messages take the way and the bounds of texts; a Close behind one is still known as the end.
    @Test func binaryMessagesCountAsTextsDo() throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe) { $0.waitingMessageCount = 2 }
        try withByteView([0xFF, 0x00]) { bytes in
            try writer.queueBinary(bytes)
            try writer.queueText(estimatedByteCount: 1) { $0.append("t") }
            #expect(writer.waitingMessageCount == 2)
            #expect(throws: FrameWriter.Refusal.backpressure) { try writer.queueBinary(bytes) }
        }
        writer.queueClose(.normal)
        #expect(writer.flush(now: Self.now) == .continue)
        #expect(writer.waitingMessageCount == 0 && writer.nextDeadline != nil)
        #expect(pipe.read() == [0x82, 0x02, 0xFF, 0x00, 0x81, 0x01, 0x74, 0x88, 0x02, 0x03, 0xE8])
    }

    @Test func clientMasksEachFrameWithAnotherKey() throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe, role: .client)
        for _ in 0..<2 { try writer.queueText(estimatedByteCount: 4) { $0.append("same") } }
        withByteView("p") { payload in try? writer.queuePong(payload) }
        writer.queueClose(.normal, reason: "bye")
        #expect(writer.flush(now: Self.now) == .continue)
        let bytes = pipe.read()
        var reader = RawFrameReader(expectsMask: true)
        let frames = try reader.frames(bytes)
        #expect(frames.map(\.payloadText).prefix(3) == ["p", "same", "same"])
        #expect(frames.last?.closeReason == "bye")
        #expect(bytes[9..<13] != bytes[19..<23])
    }

    @Test func controlFramesOvertakeWholeTextsButNeverSplitOne() throws {
        let pipe = BytePipe(capacity: 50_000)
        var writer = Self.writer(pipe)
        let long = [UInt8](repeating: 0x61, count: 200_000)
        try writer.queueText(estimatedByteCount: long.count) { $0.append(long) }
        try writer.queueText(estimatedByteCount: 6) { $0.append("second") }
        #expect(writer.flush(now: Self.now) == .continue)
        #expect(pipe.batches == [65_536])
        withByteView("1") { payload in try? writer.queuePong(payload) }
        withByteView("2") { payload in try? writer.queuePing(payload) }
        try writer.queueText(estimatedByteCount: 5) { $0.append("third") }

        var reader = RawFrameReader(expectsMask: false)
        var frames: [RawFrame] = []
        while pipe.isReadable {
            frames += try reader.frames(pipe.read())
            if pipe.takeCompletion() { #expect(writer.writeCompleted(now: Self.now) == .continue) }
        }
        #expect(frames.map(\.opcode) == [RawFrame.text, RawFrame.pong, RawFrame.ping, RawFrame.text, RawFrame.text])
        #expect(frames.map(\.payload.count) == [200_000, 1, 1, 6, 5])
        // The frame that was cut is finished first, alone; then the control frames; then the other texts together.
        #expect(pipe.batches == [65_536, 65_536, 65_536, 200_010 - 3 * 65_536, 6, 15])
        #expect(pipe.violations == [])
    }

    @Test func aBatchTakesAsManyWholeFramesAsFit() throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe)
        for length in [30_000, 30_000, 30_000, 100_000, 10] {
            try writer.queueText(estimatedByteCount: length) { $0.append([UInt8](repeating: 0x61, count: length)) }
        }
        #expect(writer.flush(now: Self.now) == .continue)
        #expect(pipe.batches == [60_008, 30_004, 65_536, 100_010 - 65_536 + 12])
        #expect(try Self.frames(pipe).map(\.payload.count) == [30_000, 30_000, 30_000, 100_000, 10])
    }

    @Test func countsWhatWaits() throws {
        let pipe = BytePipe(capacity: 10)
        var writer = Self.writer(pipe)
        for _ in 0..<3 { try writer.queueText(estimatedByteCount: 5) { $0.append("Hello") } }
        withByteView("p") { payload in try? writer.queuePong(payload) }
        #expect(writer.waitingMessageCount == 3)
        #expect(writer.waitingPongCount == 1)
        #expect(writer.waitingByteCount == 24)
        #expect(writer.nextDeadline == nil)
        #expect(writer.flush(now: Self.now) == .continue)
        // The PONG was taken at once; of the texts a part is in flight, which no longer waits here.
        #expect(pipe.batches == [3, 21])
        #expect(writer.waitingMessageCount == 0)
        #expect(writer.waitingByteCount == 0)
        #expect(writer.allocatedByteCount == 0)
        #expect(writer.nextDeadline == Self.now + .seconds(10))
    }

    @Test(arguments: [(WebSocketRole.server, 0, 1024), (.server, 125, 1024), (.client, 125, 1000)])
    func pongsHaveABoundOfTheirOwn(role: WebSocketRole, payloadByteCount: Int, most: Int) throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe, role: role)
        let payload = [UInt8](repeating: 0x70, count: payloadByteCount)
        try writer.queueText(estimatedByteCount: 1) { $0.append("t") }
        for _ in 0..<most {
            withByteView(payload) { payload in #expect(throws: Never.self) { try writer.queuePong(payload) } }
        }
        _ = withByteView(payload) { payload in
            #expect(throws: FrameWriter.Refusal.tooManyPongs) { try writer.queuePong(payload) }
        }
        withByteView("own") { payload in #expect(throws: Never.self) { try writer.queuePing(payload) } }
        #expect(writer.flush(now: Self.now) == .continue)
        let frames = try Self.frames(pipe, role: role)
        #expect(frames.filter { $0.opcode == RawFrame.pong }.map(\.payload) == .init(repeating: payload, count: most))
        #expect(pipe.batches.allSatisfy { $0 <= 65_536 })
        #expect(writer.waitingPongCount == 0)
        withByteView(payload) { payload in #expect(throws: Never.self) { try writer.queuePong(payload) } }
    }

    @Test func ownPingsAreBounded() {
        var writer = Self.writer(BytePipe())
        for _ in 0..<16 { #expect(throws: Never.self) { try writer.queuePing(.empty) } }
        #expect(throws: FrameWriter.Refusal.backpressure) { try writer.queuePing(.empty) }
    }

    @Test func tooLongAMessageLeavesNoTrace() throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe) {
            $0.messageByteCount = 1000
            $0.waitingByteCount = 1500
        }
        try writer.queueText(estimatedByteCount: 5) { $0.append("first") }
        #expect(throws: FrameWriter.Refusal.messageTooBig) {
            try writer.queueText(estimatedByteCount: 10) { $0.append([UInt8](repeating: 0x61, count: 1001)) }
        }
        try writer.queueText(estimatedByteCount: 10) { $0.append([UInt8](repeating: 0x61, count: 1000)) }
        #expect(throws: FrameWriter.Refusal.backpressure) {
            try writer.queueText(estimatedByteCount: 500) { $0.append([UInt8](repeating: 0x61, count: 500)) }
        }
        #expect(writer.waitingMessageCount == 2)
        #expect(writer.flush(now: Self.now) == .continue)
        #expect(try Self.frames(pipe).map(\.payload.count) == [5, 1000])

        #expect(throws: FrameWriter.Refusal.messageTooBig) {
            try writer.queueText(estimatedByteCount: 10) { $0.append([UInt8](repeating: 0x61, count: 5000)) }
        }
        #expect(writer.allocatedByteCount == 0)
    }

    @Test func refusesTheMessageOverTheCountBeforeItIsBuilt() throws {
        var writer = Self.writer(BytePipe())
        for _ in 0..<64 { try writer.queueText(estimatedByteCount: 0) { _ in } }
        var wasBuilt = false
        #expect(throws: FrameWriter.Refusal.backpressure) {
            try writer.queueText(estimatedByteCount: 0) { _ in wasBuilt = true }
        }
        #expect(!wasBuilt)
    }

    struct CloseCase {
        var code: CloseCode?
        var reason: String
        var expectedCode: UInt16?
        var expectedReason: String
    }

    @Test(arguments: [
        CloseCase(code: nil, reason: "unsaid", expectedCode: nil, expectedReason: ""),
        CloseCase(code: .normal, reason: "", expectedCode: 1000, expectedReason: ""),
        CloseCase(code: CloseCode(rawValue: 1005), reason: "x", expectedCode: nil, expectedReason: ""),
        CloseCase(
            code: CloseCode(rawValue: 4429), reason: "pool_full", expectedCode: 4429, expectedReason: "pool_full"),
        CloseCase(
            code: .normal, reason: String(repeating: "a", count: 200), expectedCode: 1000,
            expectedReason: String(repeating: "a", count: 123)),
        CloseCase(
            code: .normal, reason: String(repeating: "é", count: 62), expectedCode: 1000,
            expectedReason: String(repeating: "é", count: 61)),
        CloseCase(
            code: .normal, reason: String(repeating: "a", count: 121) + "𝄞", expectedCode: 1000,
            expectedReason: String(repeating: "a", count: 121)),
        CloseCase(
            code: .normal, reason: String(repeating: "a", count: 119) + "𝄞𝄞", expectedCode: 1000,
            expectedReason: String(repeating: "a", count: 119) + "𝄞"),
    ])
    func closeFrame(closeCase: CloseCase) throws {
        let pipe = BytePipe()
        var writer = Self.writer(pipe)
        writer.queueClose(closeCase.code, reason: closeCase.reason)
        #expect(writer.isClosing == true)
        #expect(writer.flush(now: Self.now) == .continue)
        let frame = try #require(try Self.frames(pipe).first)
        #expect(frame.opcode == RawFrame.close)
        #expect(frame.closeCode == closeCase.expectedCode)
        #expect(frame.closeReason == closeCase.expectedReason)
    }

    /// The echo may be queued before or after the peer's Close is told; either way the end comes when it has left.
    @Test(arguments: [true, false], [true, false])
    func echo(closeIsToldFirst: Bool, takenAtOnce: Bool) throws {
        let pipe = BytePipe(capacity: takenAtOnce ? .max : 1)
        var writer = Self.writer(pipe)
        try writer.queueText(estimatedByteCount: 1) { $0.append("t") }
        if closeIsToldFirst { #expect(writer.closeReceived(now: Self.now) == .continue) }
        if closeIsToldFirst {
            #expect(throws: FrameWriter.Refusal.closing) { try writer.queueText(estimatedByteCount: 0) { _ in } }
        }
        writer.queueClose(.normal)
        if !closeIsToldFirst { #expect(writer.closeReceived(now: Self.now) == .continue) }
        var progress = writer.flush(now: Self.now)
        var reader = RawFrameReader(expectsMask: false)
        var frames: [RawFrame] = []
        while pipe.isReadable {
            frames += try reader.frames(pipe.read())
            if pipe.takeCompletion() { progress = writer.writeCompleted(now: Self.now) }
        }
        #expect(progress == .finished(.closeHandshakeDone))
        #expect(frames.map(\.opcode) == [RawFrame.text, RawFrame.close])
        #expect(writer.nextDeadline == nil)
    }

    @Test func aStuckPeerDoesNotGetItsCloseAndIsCutAtTheWriteDeadline() throws {
        let pipe = BytePipe(capacity: 1)
        var writer = Self.writer(pipe)
        writer.queueClose(.policyViolation, reason: "x")
        #expect(writer.flush(now: Self.now) == .continue)
        #expect(writer.nextDeadline == Self.now + .seconds(10))
        #expect(writer.closeReceived(now: Self.now + .seconds(1)) == .continue)
        #expect(writer.deadlineReached(now: Self.now + .seconds(9)) == .continue)
        #expect(writer.deadlineReached(now: Self.now + .seconds(10)) == .finished(.writeTimedOut))
    }

    @Test func eachBatchHasADeadlineOfItsOwn() throws {
        let pipe = BytePipe(capacity: 65_536)
        var writer = Self.writer(pipe)
        try writer.queueText(estimatedByteCount: 300_000) { $0.append([UInt8](repeating: 0x61, count: 300_000)) }
        var now = Self.now
        #expect(writer.flush(now: now) == .continue)
        for _ in 0..<3 {
            #expect(writer.nextDeadline == now + .seconds(10))
            now = now + .seconds(9)
            #expect(writer.deadlineReached(now: now) == .continue)
            _ = pipe.read()
            let hasLeft = pipe.takeCompletion()
            #expect(hasLeft)
            #expect(writer.writeCompleted(now: now) == .continue)
        }
    }

    @Test func theDriversEndIsTheWritersEnd() throws {
        let pipe = BytePipe()
        pipe.fail()
        var writer = Self.writer(pipe)
        try writer.queueText(estimatedByteCount: 5) { $0.append("Hello") }
        #expect(writer.flush(now: Self.now) == .finished(.connectionClosed))
        #expect(writer.allocatedByteCount == 0)
    }

    @Test func afterTheEndEveryCallIsHarmless() throws {
        let pipe = BytePipe(capacity: 1)
        var writer = Self.writer(pipe)
        try writer.queueText(estimatedByteCount: 5) { $0.append("Hello") }
        #expect(writer.flush(now: Self.now) == .continue)
        try writer.queueText(estimatedByteCount: 5) { $0.append("Hello") }
        let late = Self.now + .seconds(60)
        #expect(writer.deadlineReached(now: late) == .finished(.writeTimedOut))
        #expect(writer.allocatedByteCount == 0)
        #expect(writer.deadlineReached(now: late) == .continue)
        #expect(writer.writeCompleted(now: late) == .continue)
        #expect(writer.closeReceived(now: late) == .continue)
        writer.queueClose(.normal)
        #expect(writer.flush(now: late) == .continue)
        #expect(throws: FrameWriter.Refusal.closing) { try writer.queueText(estimatedByteCount: 0) { _ in } }
        #expect(throws: FrameWriter.Refusal.closing) { try writer.queuePong(.empty) }
        #expect(throws: FrameWriter.Refusal.closing) { try writer.queuePing(.empty) }
        #expect(writer.isClosing == true)
        #expect(writer.nextDeadline == nil)
        #expect(writer.waitingByteCount == 0)
        #expect(pipe.batches.count == 1)
    }

    /// What one side writes, the other reads: both roles, through the decoder, cut at random.
    @Test(arguments: [WebSocketRole.server, .client], 1...5)
    func decoderReadsWhatTheWriterWrites(role: WebSocketRole, seed: UInt64) throws {
        let pipe = BytePipe(capacity: 5_000, cuts: .random(SeededRandom(seed: seed), atMost: 3_000))
        var writer = Self.writer(pipe, role: role)
        var decoder = FrameDecoder(role: role == .server ? .client : .server, maxMessageByteCount: 1 << 20)
        var random = SeededRandom(seed: seed)
        var expected: [OwnedEvent] = []
        for number in 0..<50 {
            let text = Array(String(repeating: "é", count: Int.random(in: 0...50_000, using: &random)).utf8)
            try writer.queueText(estimatedByteCount: Int.random(in: 0...100_000, using: &random)) { $0.append(text) }
            expected.append(.text(text))
            if number % 10 == 0 { try writer.queuePing(.empty) }
        }
        writer.queueClose(.goingAway, reason: "going away")
        #expect(writer.flush(now: Self.now) == .continue)
        var events: [OwnedEvent] = []
        while pipe.isReadable {
            try decoder.feed(pipe.read(), into: &events)
            if pipe.takeCompletion() { #expect(writer.writeCompleted(now: Self.now) == .continue) }
        }
        #expect(events.filter { $0 == .ping("") }.count == 5)
        #expect(events.filter { $0 != .ping("") } == expected + [.close(1001, "going away")])
    }
}
