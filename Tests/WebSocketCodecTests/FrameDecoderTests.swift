import Primitives
import TestKit
import Testing
import WebSocketCodec

@Suite struct FrameDecoderTests {
    struct Vector: CustomStringConvertible {
        var description: String
        var role: WebSocketRole
        var bytes: [UInt8]
        var events: [OwnedEvent]
    }

    private static let counted256 = (0..<256).map { UInt8($0) }
    private static let counted64KiB = (0..<65_536).map { UInt8(truncatingIfNeeded: $0) }

    static let vectors: [Vector] = [
        // RFC 6455 section 5.7.
        Vector(
            description: "unmasked text", role: .client, bytes: [0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F],
            events: [.text("Hello")]),
        Vector(
            description: "masked text", role: .server,
            bytes: [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], events: [.text("Hello")]),
        Vector(
            description: "fragmented text", role: .client,
            bytes: [0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F], events: [.text("Hello")]),
        Vector(
            description: "ping", role: .client, bytes: [0x89, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F],
            events: [.ping("Hello")]),
        Vector(
            description: "masked pong", role: .server,
            bytes: [0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58], events: [.pong("Hello")]),
        Vector(
            description: "256 bytes", role: .client, bytes: [0x82, 0x7E, 0x01, 0x00] + counted256,
            events: [.binary(counted256)]),
        Vector(
            description: "64 KiB", role: .client, bytes: [0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + counted64KiB,
            events: [.binary(counted64KiB)]),

        Vector(
            description: "empty frames", role: .server,
            bytes: [0x81, 0x80, 1, 2, 3, 4, 0x82, 0x80, 1, 2, 3, 4, 0x89, 0x80, 1, 2, 3, 4, 0x8A, 0x80, 1, 2, 3, 4],
            events: [.text(""), .binary([]), .ping(""), .pong("")]),
        Vector(
            description: "message of empty fragments", role: .client, bytes: [0x01, 0x00, 0x00, 0x00, 0x80, 0x00],
            events: [.text("")]),
        Vector(
            description: "close without payload, then bytes", role: .client,
            bytes: [0x88, 0x00, 0x81, 0x01, 0x41, 0xFF],
            events: [.close(nil, "")]),
        Vector(
            description: "close with a reason", role: .client, bytes: [0x88, 0x05, 0x03, 0xE8, 0x62, 0x79, 0x65],
            events: [.close(1000, "bye")]),
        Vector(
            description: "control frames within a fragmented message", role: .client,
            bytes: [
                0x01, 0x02, 0xC3, 0xA9, 0x89, 0x01, 0x61, 0x00, 0x01, 0xE2, 0x8A, 0x00, 0x00, 0x02, 0x82, 0xAC, 0x89,
                0x01, 0x62, 0x80, 0x01, 0x21, 0x81, 0x01, 0x2E,
            ],
            events: [.ping("a"), .pong(""), .ping("b"), .text("é€!"), .text(".")]),
        Vector(
            description: "close within a fragmented message", role: .client,
            bytes: [0x01, 0x01, 0x41, 0x88, 0x02, 0x0F, 0xA0], events: [.close(4000, "")]),
    ]

    @Test(arguments: vectors)
    func vector(vector: Vector) {
        for cuts in Cuts.all {
            let result = decode(vector.bytes, role: vector.role, cuts: cuts)
            #expect(result == DecoderResult(events: vector.events), "\(cuts)")
        }
    }

    @Test func manyFramesInOneRead() {
        let bytes = Self.vectors[1].bytes + Self.vectors[4].bytes + Self.vectors[1].bytes
        #expect(decode(bytes, role: .server) == .events(.text("Hello"), .pong("Hello"), .text("Hello")))
    }

    /// Messages and control frames, fragmented and masked at random, come back whole however the reads are cut.
    @Test(arguments: 0..<10)
    func randomTraffic(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = []
        var expected: [OwnedEvent] = []
        let role: WebSocketRole = seed % 2 == 0 ? .server : .client
        func frame(_ opcode: UInt8, _ payload: [UInt8], isFinal: Bool = true) {
            let key = (0..<4).map { _ in UInt8.random(in: 0...255, using: &random) }
            let frame = RawFrame(isFinal: isFinal, opcode: opcode, isMasked: role == .server, payload: payload)
            bytes += frame.encoded(key: key)
        }
        for number in 0..<60 {
            let isText = random.chance(0.7)
            let length = number == 30 ? 70_000 : [0, 5, 40, 125, 126, 300, 2_000].randomElement(using: &random) ?? 0
            let text = String(repeating: "aé€𝄞", count: length / 10) + "\(number)"
            let payload = isText ? Array(text.utf8) : (0..<length).map { _ in .random(in: 0...255, using: &random) }
            var rest = payload[...]
            var opcode: UInt8 = isText ? 1 : 2
            while random.chance(0.5) {
                let piece = rest.prefix(Int.random(in: 0...max(1, rest.count / 2), using: &random))
                rest = rest.dropFirst(piece.count)
                frame(opcode, Array(piece), isFinal: false)
                opcode = 0
                if random.chance(0.3) {
                    frame(9, Array("ping \(number)".utf8))
                    expected.append(.ping("ping \(number)"))
                }
            }
            frame(opcode, Array(rest))
            expected.append(isText ? .text(payload) : .binary(payload))
        }
        for cuts in [Cuts.whole, .random(seed: seed, atMost: 50), .random(seed: seed, atMost: 5000)] {
            #expect(decode(bytes, role: role, cuts: cuts) == DecoderResult(events: expected), "\(cuts)")
        }
    }

    @Test func wholeFrameIsDeliveredWithoutACopy() throws {
        var bytes = RawFrame(opcode: 1, isMasked: true, payload: Array("in place".utf8)).encoded()
        bytes += [UInt8](repeating: 0, count: ByteQueue.padding)
        var decoder = FrameDecoder(role: .server, maxMessageByteCount: 100)
        try bytes.withUnsafeMutableBufferPointer { buffer throws in
            let base = try #require(buffer.baseAddress)
            var input = MutableByteView(base: base, count: buffer.count - ByteQueue.padding)
            guard case .text(let payload) = try decoder.next(&input) else {
                Issue.record("no text")
                return
            }
            #expect(payload == "in place")
            #expect(payload.base == base + 6)
        }
        #expect(decoder.heldByteCount == 0)
    }

    @Test func holdsWhatIsUnfinishedAndLetsGoOfIt() throws {
        let frame = RawFrame(opcode: 1, isMasked: true, payload: [UInt8](repeating: 0x61, count: 1000)).encoded()
        var decoder = FrameDecoder(role: .server, maxMessageByteCount: 1 << 20)
        #expect(try decoder.feed(Array(frame[..<5])) == [])
        #expect(decoder.heldByteCount == 5)
        #expect(try decoder.feed(Array(frame[5..<500])) == [])
        #expect(decoder.heldByteCount == 492)
        #expect(try decoder.feed(Array(frame[500...])).count == 1)
        #expect(decoder.heldByteCount == 0)
    }

    @Test(arguments: 0..<200)
    func hostileBytesEndInEventsOrInAnError(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = []
        // First bytes that are likely to pass, so that the noise gets deep.
        while bytes.count < 600 {
            let first = [0x81, 0x01, 0x80, 0x00, 0x82, 0x89, 0x8A, 0x88].randomElement(using: &random) ?? 0
            bytes += [UInt8(first), 0x80 | UInt8.random(in: 0...127, using: &random)]
            for _ in 0..<Int.random(in: 0...40, using: &random) { bytes.append(.random(in: 0...127, using: &random)) }
        }
        let whole = decode(bytes, role: .server, limit: 500)
        for cuts in Cuts.all {
            let result = decode(bytes, role: .server, limit: 500, cuts: cuts)
            #expect(result.events == whole.events && result.error == whole.error, "\(cuts)")
        }
    }
}
