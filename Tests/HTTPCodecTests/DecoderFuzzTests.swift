import HTTPCodec
import Primitives
import Testing

/// Mutated conformance cases: nothing may trap, and the events may not depend on the cuts.
@Suite struct DecoderFuzzTests {
    private static let fragments: [[UInt8]] = [
        "\r\n", "\n", "\r", "\u{0}", " ", "\t", ":", ",", ";", "chunked", "0", "0\r\n\r\n", "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n", "FFFFFFFFFFFFFFFF", "9223372036854775808", "Host: x\r\n", "\r\n\r\n",
        "GET / HTTP/1.1\r\n", "HTTP/1.0", "*", "http://", "[", "]", "%", "\"", "=", "Expect: 100-continue\r\n",
    ].map { Array($0.utf8) }

    @Test(arguments: 0..<10) func mutations(part: Int) {
        let corpus = ConformanceCase.all.map(\.bytes).filter { $0.count < 600 }
        var random = SeededRandom(seed: 0x4854_5450 + UInt64(part))
        for round in 0..<5000 {
            let bytes = mutate(corpus, &random)
            let limits = random.chance(0.5) ? HTTPLimits() : tightLimits(&random)
            let whole = DecoderTrace(bytes, cuts: [], limits: limits)
            let cuts = round % 16 == 0 ? Array(0..<bytes.count) : randomCuts(bytes.count, &random)
            let pieces = DecoderTrace(bytes, cuts: cuts, limits: limits)
            guard whole == pieces, whole.violations.isEmpty else {
                Issue.record("part \(part), round \(round): \(bytes), \(limits), \(cuts): \(whole) or \(pieces)")
                return
            }
        }
    }

    private func mutate(_ corpus: [[UInt8]], _ random: inout SeededRandom) -> [UInt8] {
        func pick<Element>(_ list: [Element], _ random: inout SeededRandom) -> Element {
            list[Int.random(in: 0..<list.count, using: &random)]
        }
        var bytes = pick(corpus, &random)
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = min(bytes.count, place + Int.random(in: 0...24, using: &random))
            switch Int.random(in: 0..<7, using: &random) {
            case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 1 where place < bytes.count: bytes[place] ^= 1 << UInt8.random(in: 0...7, using: &random)
            case 2: bytes.insert(contentsOf: pick(Self.fragments, &random), at: place)
            case 3: bytes.removeSubrange(place..<end)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
            case 5: bytes += pick(corpus, &random)
            default: bytes.replaceSubrange(place..., with: pick(corpus, &random).dropFirst(place))
            }
        }
        return bytes
    }

    private func tightLimits(_ random: inout SeededRandom) -> HTTPLimits {
        func upTo(_ most: Int) -> Int { Int.random(in: 0...most, using: &random) }
        return HTTPLimits(
            headByteCount: upTo(200), targetByteCount: upTo(30), fieldCount: upTo(5), bodyByteCount: upTo(20),
            chunkLineByteCount: upTo(20), chunkExtensionByteCount: upTo(20), trailerByteCount: upTo(30))
    }
}
