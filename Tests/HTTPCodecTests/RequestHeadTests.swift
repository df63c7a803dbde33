import HTTPCodec
import Primitives
import Testing

/// Decodes one head out of `text`, and answers how many bytes were left behind it.
func decodeHead(_ text: String) throws(HTTPError) -> (head: RequestHead, rest: Int)? {
    var decoder = RequestDecoder(limits: HTTPLimits())
    let bytes = Array(text.utf8)
    let result: Result<(head: RequestHead, rest: Int)?, HTTPError> = withByteView(bytes) { view in
        var input = view
        do throws(HTTPError) {
            guard case .head(let head) = try decoder.next(&input) else { return .success(nil) }
            return .success((head, input.count))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

@Suite struct RequestHeadTests {
    @Test func aTypicalHeadIsReadWhole() throws {
        let decoded = try #require(
            try decodeHead(
                "POST /v1/chat/completions?a=b HTTP/1.1\r\nHost: api.example:8443\r\nAccept: a, b\r\naccept:  c ,D\r\n"
                    + "X-Empty:\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\nhello"))
        let head = decoded.head
        #expect(decoded.rest == 5)
        #expect(head.method == .post && head.methodName == "POST" && head.version == .http11)
        #expect(head.path == "/v1/chat/completions" && head.query == "a=b")
        #expect(head.target == "/v1/chat/completions?a=b")
        #expect(head.keepsAlive && head.expectsContinue && head.bodyFraming == .length(12))
        #expect(head.field("HOST") == "api.example:8443" && head.field("accept") == "a, b")
        #expect(head.field("x-empty") == "" && head.field("absent") == nil)
        #expect(head.withField("Content-length") { $0.count } == 2)
        #expect(head.fieldCount("Accept") == 2 && head.fieldCount("absent") == 0)
        #expect(head.fieldContainsToken("Accept", "d") && head.fieldContainsToken("accept", "B"))
        #expect(!head.fieldContainsToken("Accept", "e") && !head.fieldContainsToken("X-Empty", "a"))
        var names: [String] = []
        head.forEachField { name, _ in names.append(name.string) }
        #expect(names == ["Host", "Accept", "accept", "X-Empty", "Content-Length", "Expect"])
    }

    @Test(
        arguments: [
            ("GET", "/a%20b?x?y=1", "/a%20b", "x?y=1"), ("GET", "/?", "/", ""), ("GET", "//x", "//x", nil),
            ("GET", "http://h", "/", nil), ("GET", "HTTPS://[::1]:80?q", "/", "q"), ("GET", "http://h/p?q", "/p", "q"),
            ("OPTIONS", "*", "*", nil), ("OPTIONS", "http://h", "*", nil), ("OPTIONS", "http://h?q", "/", "q"),
            ("OPTIONS", "/x", "/x", nil), ("CONNECT", "h:443", "", nil),
        ] as [(String, String, String, String?)])
    func targets(method: String, target: String, path: String, query: String?) throws {
        let decoded = try #require(try decodeHead("\(method) \(target) HTTP/1.1\r\nHost: x\r\n\r\n"))
        #expect(decoded.head.path == path && decoded.head.query == query && decoded.head.target == target)
    }

    @Test(arguments: [
        ("1.1", "", true), ("1.1", "Connection: close\r\n", false), ("1.1", "Connection: TE, Close\r\n", false),
        ("1.1", "Connection: upgrade\r\n", true), ("1.0", "", false), ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
    ])
    func keepAlive(version: String, fields: String, keepsAlive: Bool) throws {
        let decoded = try #require(try decodeHead("GET / HTTP/\(version)\r\nHost: x\r\n\(fields)\r\n"))
        #expect(decoded.head.keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        ("1.1", "Expect: 100-continue\r\nContent-Length: 1\r\n", true),
        ("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", true),
        ("1.1", "Expect: 100-continue\r\n", false), ("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false),
        ("1.1", "Expect: teapot\r\nContent-Length: 1\r\n", false),
    ])
    func expectations(version: String, fields: String, expects: Bool) throws {
        let decoded = try #require(try decodeHead("POST / HTTP/\(version)\r\nHost: x\r\n\(fields)\r\n"))
        #expect(decoded.head.expectsContinue == expects)
    }

    @Test(arguments: ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "PROPFIND", "PUTT"])
    func methods(name: String) throws {
        let all: [String: HTTPMethod] = [
            "GET": .get, "HEAD": .head, "POST": .post, "PUT": .put, "DELETE": .delete, "OPTIONS": .options,
            "PATCH": .patch, "TRACE": .trace,
        ]
        let decoded = try #require(try decodeHead("\(name) / HTTP/1.1\r\nHost: x\r\n\r\n"))
        #expect(decoded.head.method == all[name] ?? .other && decoded.head.methodName == name)
    }
}
