import HTTPCodec
import Primitives
import Testing

@Suite struct ConformanceTests {
    @Test func theTableIsThere() {
        #expect(ConformanceCase.all.count >= 300)
        #expect(Set(ConformanceCase.all.map(\.name)).count == ConformanceCase.all.count)
    }

    @Test(arguments: ConformanceCase.all) func whole(example: ConformanceCase) {
        let trace = DecoderTrace(example.bytes, cuts: [])
        #expect(trace.violations.isEmpty)
        #expect(trace.error?.status == example.expect.status)
        #expect(trace.requests.map(\.method) == example.expect.requests.map(\.method))
        #expect(trace.requests.map(\.body) == example.expect.requests.map(\.body))
        for (request, expected) in zip(trace.requests, example.expect.requests) {
            if let target = expected.target { #expect(request.target == target) }
        }
        if example.expect.status == nil {
            // A lone CRLF is dropped: the connection is as idle as before it.
            let isIdle = example.bytes.allSatisfy { $0 == 0x0D || $0 == 0x0A }
            let incomplete = example.expect.incomplete ?? false
            #expect((trace.progress == .betweenRequests) == (!incomplete || isIdle))
        }
    }

    @Test(arguments: ConformanceCase.all) func inPieces(example: ConformanceCase) {
        let bytes = example.bytes
        let whole = DecoderTrace(bytes, cuts: [])
        #expect(DecoderTrace(bytes, cuts: Array(0..<bytes.count)) == whole)
        var random = SeededRandom(seed: UInt64(bytes.count))
        for _ in 0..<12 {
            let cuts = randomCuts(bytes.count, &random)
            #expect(DecoderTrace(bytes, cuts: cuts) == whole, "cuts \(cuts)")
        }
        // The last bytes of a message are where its end is decided.
        for cut in max(0, bytes.count - 8)..<bytes.count {
            #expect(DecoderTrace(bytes, cuts: [cut]) == whole, "cut \(cut)")
        }
    }
}
