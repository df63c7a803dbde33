import Primitives
import TestKit
import Testing

/// The tools that judge the writer are judged here.
@Suite struct RawFrameReaderTests {
    @Test func readsItsOwnFrames() throws {
        for isMasked in [false, true] {
            var reader = RawFrameReader(expectsMask: isMasked)
            let frames = [0, 1, 125, 126, 65_535, 65_536].map { length in
                RawFrame(opcode: 1, isMasked: isMasked, payload: [UInt8](repeating: 0x61, count: length))
            }
            let bytes = frames.flatMap { $0.encoded() }
            var random = SeededRandom(seed: 9)
            var read: [RawFrame] = []
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(Int.random(in: 1...5_000, using: &random)))
                rest = rest.dropFirst(piece.count)
                read += try reader.frames(piece)
            }
            #expect(read == frames)
            #expect(reader.leftover == 0)
        }
    }

    @Test(arguments: [
        ([0xC1, 0x00], RawFrameReader.Fault.reservedBits(4)),
        ([0x83, 0x00], .unknownOpcode(3)),
        ([0x01, 0x00], .fragment),
        ([0x80, 0x00], .fragment),
        ([0x81, 0x80, 1, 2, 3, 4], .wrongMaskDirection),
        ([0x81, 0x7E, 0x00, 0x7D], .lengthNotMinimal(125)),
        ([0x81, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], .lengthNotMinimal(65_535)),
        ([0x89, 0x7E, 0x00, 0x80], .controlPayloadTooLong(128)),
        ([0x81, 0x7F, 1, 0, 0, 0, 0, 0, 0, 0], .frameTooLong(1 << 56)),
        ([0x81, 0x01, 0xFF], .invalidUTF8),
        ([0x88, 0x03, 0x03, 0xE8, 0x80], .invalidUTF8),
        ([0x88, 0x00, 0x81, 0x00], .afterClose),
    ])
    func finds(bytes: [UInt8], fault: RawFrameReader.Fault) {
        var reader = RawFrameReader(expectsMask: false)
        #expect(throws: fault) { _ = try reader.frames(bytes) }
    }

    @Test func closeFrames() {
        let frame = RawFrame(opcode: RawFrame.close, payload: [0x0F, 0xA1] + Array("why".utf8))
        #expect(frame.closeCode == 4001)
        #expect(frame.closeReason == "why")
        #expect(RawFrame(opcode: RawFrame.close, payload: []).closeCode == nil)
        #expect(RawFrame(opcode: RawFrame.text, payload: [0x0F, 0xA1]).closeCode == nil)
    }
}

@Suite struct BytePipeTests {
    private static func write(_ pipe: BytePipe, _ bytes: [UInt8]) -> WriteOutcome {
        let half = WriteHalf(pipe)
        return withByteView(bytes) { half.write($0) }
    }

    @Test func takesWhatItHasRoomForAndKeepsTheRest() {
        let pipe = BytePipe(capacity: 4, cuts: .pieces(of: 3))
        #expect(Self.write(pipe, [1, 2]) == .written)
        #expect(!pipe.hasBatchInFlight)
        #expect(Self.write(pipe, [3, 4, 5, 6, 7]) == .inFlight)
        #expect(pipe.unreadByteCount == 7)
        #expect(pipe.read() == [1, 2, 3])
        var isCompleted = pipe.takeCompletion()
        #expect(isCompleted)
        isCompleted = pipe.takeCompletion()
        #expect(!isCompleted)
        #expect(pipe.read() == [4, 5, 6])
        #expect(pipe.read() == [7])
        #expect(pipe.read() == [])
        #expect(!pipe.isReadable)
        #expect(pipe.batches == [2, 5])
        #expect(pipe.violations == [])
    }

    @Test func completionComesOnlyWhenTheWholeBatchHasLeft() {
        let pipe = BytePipe(capacity: 2)
        #expect(Self.write(pipe, [1, 2, 3, 4, 5]) == .inFlight)
        var completions: [Bool] = []
        while pipe.isReadable {
            _ = pipe.read()
            completions.append(pipe.takeCompletion())
        }
        #expect(completions == [false, true, false])
    }

    @Test func stalls() {
        let pipe = BytePipe(capacity: 2)
        pipe.isStalled = true
        #expect(Self.write(pipe, [1, 2, 3]) == .inFlight)
        #expect(pipe.read() == [])
        #expect(pipe.hasBatchInFlight)
        pipe.isStalled = false
        #expect(pipe.read() == [1, 2])
        #expect(pipe.read() == [3])
    }

    @Test func findsASecondWriteInFlight() {
        let pipe = BytePipe(capacity: 2)
        #expect(Self.write(pipe, [1, 2, 3]) == .inFlight)
        _ = Self.write(pipe, [4])
        #expect(pipe.violations == [.writeWhileInFlight])
        // The batch has left, but the writer was not told so yet.
        let told = BytePipe(capacity: 2)
        #expect(Self.write(told, [1, 2, 3]) == .inFlight)
        _ = told.read()
        _ = Self.write(told, [4])
        #expect(told.violations == [.writeWhileInFlight])
    }

    @Test func findsBatchesOfTheWrongSizeAndWritesAfterTheEnd() {
        let pipe = BytePipe()
        _ = Self.write(pipe, [])
        _ = Self.write(pipe, [UInt8](repeating: 0, count: WriteHalf.batchByteCount))
        _ = Self.write(pipe, [UInt8](repeating: 0, count: WriteHalf.batchByteCount + 1))
        pipe.close()
        #expect(Self.write(pipe, [1]) == .closed)
        #expect(pipe.violations == [.emptyBatch, .batchTooLong(WriteHalf.batchByteCount + 1), .writeAfterClose])

        let failed = BytePipe()
        failed.fail()
        #expect(Self.write(failed, [1]) == .closed)
        #expect(failed.violations == [])
    }

    @Test func randomCutsGiveEverythingInOrder() {
        let pipe = BytePipe(capacity: 100, cuts: .random(SeededRandom(seed: 3), atMost: 7))
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(Self.write(pipe, bytes) == .inFlight)
        var read: [UInt8] = []
        var sizes: Set<Int> = []
        while pipe.isReadable {
            let piece = pipe.read()
            sizes.insert(piece.count)
            read += piece
        }
        #expect(read == bytes)
        #expect(sizes == Set(1...7))
    }
}
