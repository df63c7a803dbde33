import HTTPCodec
import Primitives
import Testing

@Suite struct ResponseEncoderTests {
    private func head(
        _ status: Int, _ framing: ResponseFraming, _ fields: ResponseFields = [:], keepsAlive: Bool = true,
        version: HTTPVersion = .http11, date: HTTPDate? = nil
    ) -> String {
        var queue = ByteQueue()
        ResponseEncoder.head(
            status: status, fields: fields, framing: framing, keepsAlive: keepsAlive, version: version, date: date,
            into: &queue)
        return queue.view.string
    }

    @Test func headsCarryTheirFraming() {
        #expect(head(200, .length(5)) == "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        #expect(head(200, .length(-1)) == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        #expect(
            head(503, .chunked, keepsAlive: false)
                == "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        #expect(head(200, .untilClose) == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        #expect(head(200, .untilClose, version: .http10) == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        #expect(
            head(200, .length(0), version: .http10)
                == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n")
        #expect(head(304, .none) == "HTTP/1.1 304 Not Modified\r\n\r\n")
        #expect(head(299, .none) == "HTTP/1.1 299 \r\n\r\n")
    }

    @Test(arguments: [101, 204]) func answersWithoutABodyNeverAnnounceOne(status: Int) {
        for framing in [ResponseFraming.length(3), .chunked] {
            #expect(!head(status, framing).contains("Content-Length"))
            #expect(!head(status, framing).contains("Transfer-Encoding"))
        }
    }

    @Test func streamingDependsOnTheVersion() {
        #expect(ResponseFraming.streaming(to: .http11) == .chunked)
        #expect(ResponseFraming.streaming(to: .http10) == .untilClose)
    }

    @Test func fieldsCannotBeSplit() {
        var fields: ResponseFields = ["X-Echo": "a\r\nSet-Cookie: b\u{0}\u{7F}\tc"]
        fields.append("Retry-After", 120)
        fields.append("Allow", "GET" as StaticString)
        #expect(
            head(200, .none, fields)
                == "HTTP/1.1 200 OK\r\nX-Echo: a  Set-Cookie: b  \tc\r\nRetry-After: 120\r\nAllow: GET\r\n\r\n")
    }

    @Test func chunks() {
        var queue = ByteQueue()
        ResponseEncoder.chunk(.empty, into: &queue)
        let written = queue.count
        #expect(written == 0)
        ResponseEncoder.chunk(ByteView("data: x\n\n"), into: &queue)
        withByteView([UInt8](repeating: 0x61, count: 300)) { ResponseEncoder.chunk($0, into: &queue) }
        ResponseEncoder.lastChunk(into: &queue)
        let long = String(repeating: "a", count: 300)
        let text = queue.view.string
        #expect(text == "9\r\ndata: x\n\n\r\n12c\r\n\(long)\r\n0\r\n\r\n")
    }

    @Test func continues() {
        var queue = ByteQueue()
        ResponseEncoder.continue(into: &queue)
        let text = queue.view.string
        #expect(text == "HTTP/1.1 100 Continue\r\n\r\n")
    }

    @Test(
        arguments: [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"), (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"), (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"), (-5, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) {
        let time = WallTime(nanoseconds: seconds * 1_000_000_000 + 999_999_999)
        let date = HTTPDate(time)
        #expect(date.string == text)
        #expect(date.isCurrent(at: time))
        #expect(!date.isCurrent(at: time + .nanoseconds(1)))
        #expect(head(200, .none, date: date) == "HTTP/1.1 200 OK\r\nDate: \(text)\r\n\r\n")
    }
}
