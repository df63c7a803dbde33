import HTTPCodec
import Primitives
import Testing

@Suite struct ResponseHeadDecoderTests {
    private struct Outcome: Equatable {
        var heads: [String] = []
        var error: HTTPError?
        var rest: [UInt8] = []
    }

    /// Reads heads until one is not interim, as the client of an upgrade does.
    private func decode(_ text: String, cuts: [Int] = [], limits: HTTPLimits = HTTPLimits()) -> Outcome {
        var decoder = ResponseHeadDecoder(limits: limits)
        var outcome = Outcome()
        let bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        var start = 0
        var isDone = false
        for end in cuts + [bytes.count] {
            withByteView(Array(bytes[start..<end])) { view in
                var input = view
                do throws(HTTPError) {
                    while !isDone, let head = try decoder.next(&input) {
                        var line = "\(head.status) \(head.version)"
                        head.forEachField { line += " " + characters($0) + "=" + characters($1) }
                        outcome.heads.append(line)
                        isDone = head.status == 101 || head.status >= 200
                    }
                } catch {
                    outcome.error = error
                    isDone = true
                }
                if outcome.error == nil { outcome.rest += input.array }
            }
            start = end
        }
        return outcome
    }

    @Test(
        arguments: [
            (
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\u{81}\u{00}",
                ["101 http11 Upgrade=websocket"], [0x81, 0x00]
            ),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 \r\nA:b\r\n\r\nbody", ["100 http11", "403 http11 A=b"],
                [98, 111, 100, 121]
            ),
            ("HTTP/1.0 200\r\n\r\n", ["200 http10"], []), ("HTTP/1.1 599 \u{E9}\r\n\r\n", ["599 http11"], []),
        ] as [(String, [String], [UInt8])])
    func heads(text: String, heads: [String], rest: [UInt8]) {
        let count = text.unicodeScalars.count
        let whole = decode(text)
        #expect(whole == Outcome(heads: heads, error: nil, rest: rest))
        #expect(decode(text, cuts: Array(0..<count)) == whole)
        for cut in 0..<count { #expect(decode(text, cuts: [cut]) == whole) }
    }

    @Test(arguments: [
        "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 O\rK\r\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\n: b\r\n\r\n", "HTTP/1.1 200 O\u{0}K\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
    ])
    func refusals(text: String) {
        let whole = decode(text)
        #expect(whole.error?.status == 502 && whole.heads.isEmpty)
        #expect(decode(text, cuts: Array(0..<text.unicodeScalars.count)) == whole)
    }

    @Test func headsAreBounded() {
        let limits = HTTPLimits(headByteCount: 100)
        let text = "HTTP/1.1 200 " + String(repeating: "x", count: 200)
        #expect(decode(text, limits: limits).error?.status == 502)
        #expect(decode(text, cuts: Array(0..<213), limits: limits).error?.status == 502)
    }
}
