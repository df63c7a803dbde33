import HTTPCodec
import Primitives
import Testing

@Suite struct RequestDecoderTests {
    @Test func bodiesAreNotCopied() throws {
        var decoder = RequestDecoder(limits: HTTPLimits())
        let text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        try withByteView(Array(text.utf8)) { whole throws in
            var input = whole
            var bodies = 0
            while let event = try decoder.next(&input) {
                guard case .body(let data) = event else { continue }
                bodies += 1
                #expect(data.base >= whole.base && data.base + data.count <= whole.base + whole.count)
            }
            #expect(bodies == 1)
        }
    }

    @Test func progressTellsWhichDeadlineApplies() throws {
        var decoder = RequestDecoder(limits: HTTPLimits())
        let steps: [(String, RequestDecoder.Progress)] = [
            ("", .betweenRequests), ("\r\n", .betweenRequests), ("\r", .inHead), ("\n", .betweenRequests),
            ("P", .inHead), ("OST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r", .inHead), ("\n", .inBody),
            ("a", .inBody), ("b", .betweenRequests), ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", .betweenRequests),
            ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", .inBody), ("1", .inBody),
            ("\r\na\r\n0\r\n", .inBody), ("\r\n", .betweenRequests),
        ]
        for (text, progress) in steps {
            try withByteView(Array(text.utf8)) { bytes throws in
                var input = bytes
                while try decoder.next(&input) != nil {}
            }
            let found = decoder.progress
            #expect(found == progress, "after \(text.debugDescription)")
            let held = decoder.heldByteCount
            #expect(progress == .inHead ? held > 0 : progress == .betweenRequests ? held == 0 : true)
        }
    }

    @Test func heldMemoryIsBounded() throws {
        var decoder = RequestDecoder(limits: HTTPLimits())
        let head = "GET / HTTP/1.1\r\nHost: x\r\n" + String(repeating: "A: b\r\n", count: 99) + "B: "
        let bytes = Array(head.utf8) + [UInt8](repeating: 0x63, count: 64 * 1024)
        var largest = 0
        var fed = 0
        do {
            for byte in bytes {
                try withByteView([byte]) { view throws in
                    var input = view
                    _ = try decoder.next(&input)
                }
                fed += 1
                largest = max(largest, decoder.heldByteCount)
            }
            Issue.record("an endless head was taken")
        } catch {
            #expect((error as? HTTPError)?.status == 431)
        }
        #expect(fed == 32 * 1024)
        #expect(largest < 80 * 1024)
    }

    @Test(arguments: [0, 1, 2, 3, 5, 8, 13, 16, 17, 20, 27, 28, 29, 40])
    func theHeadLimitIsExact(limit: Int) {
        let bytes = Array("\r\nGET / HTTP/1.1\r\nA: b\r\n\r\n".utf8)
        let limits = HTTPLimits(headByteCount: limit)
        let whole = DecoderTrace(bytes, cuts: [], limits: limits)
        #expect(whole.error?.status == (limit < 24 ? 431 : 400))
        #expect(DecoderTrace(bytes, cuts: Array(0..<bytes.count), limits: limits) == whole)
        for cut in 0..<bytes.count { #expect(DecoderTrace(bytes, cuts: [cut], limits: limits) == whole) }
    }

    @Test func theBodyLimitCountsWhatIsReceived() {
        let limits = HTTPLimits(bodyByteCount: 5)
        let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        let exact = DecoderTrace(Array((head + "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n").utf8), cuts: [], limits: limits)
        #expect(exact.error == nil && exact.requests.map(\.body) == ["abcde"])
        let over = DecoderTrace(Array((head + "2\r\nab\r\n4\r\n").utf8), cuts: [], limits: limits)
        #expect(over.error?.status == 413)
        let twice = DecoderTrace(
            Array((head + "5\r\nabcde\r\n0\r\n\r\n" + head + "5\r\nabcde\r\n0\r\n\r\n").utf8), cuts: [], limits: limits)
        #expect(twice.error == nil && twice.requests.count == 2)
    }
}
