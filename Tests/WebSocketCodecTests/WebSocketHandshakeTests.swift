import HTTPCodec
import Primitives
import Testing
import WebSocketCodec

@Suite struct WebSocketHandshakeTests {
    /// RFC 6455 section 1.3.
    static let key = "dGhlIHNhbXBsZSBub25jZQ=="
    static let acceptKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

    private static func head(_ text: String) -> RequestHead? {
        var decoder = RequestDecoder(limits: HTTPLimits())
        return withByteView(text) { input in
            var input = input
            guard case .head(let head)? = try? decoder.next(&input) else { return nil }
            return head
        }
    }

    private static func answer(_ text: String) -> ResponseHead? {
        var decoder = ResponseHeadDecoder(limits: HTTPLimits())
        return withByteView(text) { input in
            var input = input
            return try? decoder.next(&input)
        }
    }

    private static func request(
        line: String = "GET /ws/provider HTTP/1.1", replacing name: String = "", with field: String? = nil
    ) -> String {
        let fields = [
            "Host: coordinator.example", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: \(key)",
            "Sec-WebSocket-Version: 13",
        ]
        let kept = fields.filter { name.isEmpty || !$0.hasPrefix("\(name):") } + (field.map { [$0] } ?? [])
        return ([line] + kept).joined(separator: "\r\n") + "\r\n\r\n"
    }

    @Test func theExampleOfTheStandard() throws {
        let head = try #require(Self.head(Self.request()))
        let accepted = try WebSocketHandshake.accept(head).get()
        #expect(accepted == Self.acceptKey)
        var queue = ByteQueue()
        WebSocketHandshake.writeSwitchingProtocols(acceptKey: accepted, into: &queue)
        #expect(
            queue.view.string
                == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
    }

    @Test(arguments: [
        request(replacing: "Upgrade", with: "upgrade: WebSocket"),
        request(replacing: "Upgrade", with: "Upgrade: h2c, websocket"),
        request(replacing: "Connection", with: "Connection: keep-alive, upgrade"),
        request(replacing: "Connection", with: "Connection: keep-alive\r\nConnection: UPGRADE"),
        request(replacing: "Sec-WebSocket-Key", with: "sec-websocket-key:   \(key)  "),
        request(replacing: "Sec-WebSocket-Extensions", with: "Sec-WebSocket-Extensions: permessage-deflate"),
        request(replacing: "Content-Length", with: "Content-Length: 0"),
    ])
    func accepts(text: String) throws {
        let head = try #require(Self.head(text))
        #expect(try WebSocketHandshake.accept(head).get() == Self.acceptKey)
    }

    @Test(arguments: [
        (request(line: "POST /ws/provider HTTP/1.1"), 400),
        (request(line: "GET /ws/provider HTTP/1.0"), 400),
        (request(replacing: "Upgrade"), 400),
        (request(replacing: "Upgrade", with: "Upgrade: websockets"), 400),
        (request(replacing: "Connection"), 400),
        (request(replacing: "Connection", with: "Connection: keep-alive"), 400),
        (request(replacing: "Sec-WebSocket-Version"), 426),
        (request(replacing: "Sec-WebSocket-Version", with: "Sec-WebSocket-Version: 8"), 426),
        (request(replacing: "", with: "Sec-WebSocket-Version: 13"), 426),
        (request(replacing: "Sec-WebSocket-Key"), 400),
        (request(replacing: "", with: "Sec-WebSocket-Key: \(key)"), 400),
        (request(replacing: "Sec-WebSocket-Key", with: "Sec-WebSocket-Key:"), 400),
        (request(replacing: "Sec-WebSocket-Key", with: "Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ=="), 400),  // 13 bytes
        (request(replacing: "Sec-WebSocket-Key", with: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZXg="), 400),  // 17
        (request(replacing: "Sec-WebSocket-Key", with: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"), 400),
        (request(replacing: "Sec-WebSocket-Key", with: "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="), 400),
        (request(replacing: "", with: "Content-Length: 5"), 400),
    ])
    func rejects(text: String, status: Int) throws {
        let head = try #require(Self.head(text))
        guard case .failure(let rejection) = WebSocketHandshake.accept(head) else {
            Issue.record("accepted")
            return
        }
        #expect(rejection.status == status)
        let expected: ResponseFields =
            status == 426 ? ["Upgrade": "websocket", "Sec-WebSocket-Version": "13"] : ResponseFields()
        #expect(rejection.fields == expected)
    }

    @Test func bothSidesAgree() throws {
        let key = WebSocketHandshake.key(randomHigh: 0x7468_6520_7361_6D70, randomLow: 0x6C65_206E_6F6E_6365)
        #expect(key == Self.key)
        var queue = ByteQueue()
        WebSocketHandshake.writeRequest(
            host: "coordinator.example:8444", path: "/ws/provider?x=1", key: key,
            fields: ["Authorization": "Bearer token\r\nInjected: yes"], into: &queue)
        let head = try #require(Self.head(queue.view.string))
        #expect(head.path == "/ws/provider")
        #expect(head.query == "x=1")
        #expect(head.field("Host") == "coordinator.example:8444")
        #expect(head.field("Authorization") == "Bearer token  Injected: yes")

        let accepted = try WebSocketHandshake.accept(head).get()
        queue.removeAll()
        WebSocketHandshake.writeSwitchingProtocols(acceptKey: accepted, into: &queue)
        let answer = try #require(Self.answer(queue.view.string))
        #expect(throws: Never.self) { try WebSocketHandshake.check(answer, key: key) }
        #expect(throws: WebSocketHandshake.Failure.wrongAcceptKey) {
            try WebSocketHandshake.check(answer, key: WebSocketHandshake.key(randomHigh: 1, randomLow: 2))
        }
    }

    @Test func whatCannotStandInARequestLineIsEncodedOrLeftOut() throws {
        var queue = ByteQueue()
        WebSocketHandshake.writeRequest(
            host: "coordinator.example\r\nX: y", path: "ws a\r\nb é#f", key: Self.key, into: &queue)
        let text = queue.view.string
        #expect(text.hasPrefix("GET /ws%20a%0d%0ab%20%c3%a9%23f HTTP/1.1\r\nHost: coordinator.exampleX:y\r\nUpgrade"))
    }

    private static func response(
        status: String = "101 Switching Protocols", upgrade: String = "websocket", accept: String = acceptKey,
        more: String = ""
    ) -> String {
        "HTTP/1.1 \(status)\r\nUpgrade: \(upgrade)\r\nConnection: upgrade\r\nSec-WebSocket-Accept: \(accept)\r\n\(more)\r\n"
    }

    @Test(arguments: [
        (response(), WebSocketHandshake.Failure?.none),
        (response(upgrade: "WebSocket"), nil),
        (response(status: "401 Unauthorized"), .refused(status: 401)),
        (response(status: "200 OK"), .refused(status: 200)),
        (response(upgrade: "h2c"), .notAnUpgrade),
        (response(accept: "AAAAAAAAAAAAAAAAAAAAAAAAAAA="), .wrongAcceptKey),
        (response(accept: ""), .wrongAcceptKey),
        (response(more: "Sec-WebSocket-Extensions: permessage-deflate\r\n"), .unrequestedExtension),
        (response(more: "Sec-WebSocket-Protocol: chat\r\n"), .unrequestedExtension),
    ])
    func checksTheAnswer(text: String, failure: WebSocketHandshake.Failure?) throws {
        let answer = try #require(Self.answer(text))
        var thrown: WebSocketHandshake.Failure?
        do throws(WebSocketHandshake.Failure) { try WebSocketHandshake.check(answer, key: Self.key) } catch {
            thrown = error
        }
        #expect(thrown == failure)
    }
}
