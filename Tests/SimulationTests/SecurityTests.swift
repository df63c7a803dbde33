import Coordinator
import Crypto
import Environment
import Primitives
import TestKit
import Testing

/// What docs/security.md promises, where no other test shows it.
@Suite("What strangers cannot do")
struct SecurityTests {
    static let key = "Authorization: Bearer operator-key\r\n"

    private func answer(_ world: SimulatedWorld, _ request: String) -> PlainResponseReader.Response? {
        let connection = world.operatorConnection()
        connection.send(request)
        _ = world.wait(for: connection, limit: .seconds(20))
        return connection.responses.first
    }

    // MARK: Paths

    /// Each looks like `/poolz` or an order to some reader on the way; none is one here, with the key or without it.
    static let lookAlikes = [
        "//poolz", "/poolz/", "/poolz/.", "/./poolz", "/poolz/..", "/x/../poolz", "/healthz/../poolz", "/poolz%2f",
        "/%70oolz", "/%2fpoolz", "/POOLZ", "/poolz;x", "/poolz%00", "/poolz%20", "/poolz/x", "/Metrics", "/metrics/",
        "//metrics", "/metrics%3f", "/admin//provisional", "/admin/./provisional", "/admin/provisional/",
        "//admin/provisional",
        "/ADMIN/provisional", "/admin%2fprovisional", "/admin/x/../provisional", "/ws/provider/../../poolz",
    ]

    @Test(arguments: lookAlikes) func noOtherPathIsTheOperators(_ path: String) {
        let world = SimulatedWorld()
        for fields in ["", Self.key] {
            let response = answer(world, "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n")
            #expect(response?.status == 404)
        }
    }

    /// A query, an absolute-form target, a doubled or a misspelt field: the key is asked for all the same.
    @Test(arguments: [
        "GET /poolz?key=operator-key HTTP/1.1\r\nHost: a\r\n", "GET http://localhost/poolz HTTP/1.1\r\nHost: a\r\n",
        "GET https://a/metrics HTTP/1.1\r\nHost: a\r\n",
        "GET /poolz HTTP/1.1\r\nHost: a\r\nAuthorization: Basic operator-key\r\n",
        "GET /poolz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer operator-key2\r\n",
        "GET /poolz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer operator-key\r\nAuthorization: Bearer x\r\n",
        "GET /poolz HTTP/1.1\r\nHost: a\r\nX-Authorization: Bearer operator-key\r\n",
        "GET /poolz HTTP/1.1\r\nHost: a\r\nX-HTTP-Method-Override: GET\r\nX-Original-URL: /healthz\r\n",
    ])
    func theKeyIsAskedForInEveryForm(_ head: String) {
        let world = SimulatedWorld()
        #expect(answer(world, head + "\r\n")?.status == 401)
        #expect(answer(world, "GET http://a/poolz HTTP/1.1\r\nHost: b\r\n\(Self.key)\r\n")?.status == 200)
    }

    @Test func nothingIsTheOperatorsWithoutAKey() {
        var settings = SimulatedWorld.settings
        settings.authentication.operatorKey = ""
        let world = SimulatedWorld(settings: settings)
        for credentials in ["Bearer ", "Bearer", "Bearer  "] {
            let response = answer(world, "GET /poolz HTTP/1.1\r\nHost: a\r\nAuthorization: \(credentials)\r\n\r\n")
            #expect(response?.status == 401)
        }
    }

    @Test func buyersCannotReachTheOperators() {
        let world = SimulatedWorld()
        for path in ["/poolz", "/metrics", "/admin/provisional", "/ws/provider"] {
            let buyer = world.buyer()
            buyer.get(path, fields: Self.key)
            #expect(world.wait(for: buyer, limit: .seconds(1)))
            #expect(buyer.responses.first?.status == 404)
        }
    }

    // MARK: Browsers

    /// A page in a browser on the operator's network cannot become a provider, whatever name it was loaded under.
    @Test(arguments: ["https://evil.test", "null", "http://pool.test", ""]) func aWebPageIsNoProvider(_ origin: String)
    {
        let world = SimulatedWorld()
        let page = SimulatedProvider(
            world.environment, to: world.coordinator.providerAcceptor, fields: "Origin: \(origin)\r\n")
        #expect(world.run(upTo: .seconds(1)) { page.httpResponse != nil })
        #expect(page.httpResponse?.status == 403)
        #expect(page.httpResponse?.text.contains("\"code\":\"origin_not_allowed\"") == true)
        world.run(for: .seconds(5))
        #expect(world.leftovers == [])
    }

    /// No answer gives a page of another site leave to read it.
    @Test func noAnswerAllowsOtherSites() {
        let world = SimulatedWorld()
        for (buyer, path) in [(world.buyer(), "/v1/models"), (world.operatorConnection(), "/healthz")] {
            buyer.get(path, fields: "Origin: https://evil.test\r\n")
            #expect(world.wait(for: buyer))
            #expect(buyer.responses.first?.status == 200)
            #expect(!String(decoding: buyer.received, as: UTF8.self).lowercased().contains("access-control"))
            buyer.send("OPTIONS \(path) HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.test\r\n\r\n")
            #expect(world.wait(for: buyer, answers: 2))
            #expect(buyer.responses.last?.status == 405)
        }
    }

    // MARK: Slow and many

    /// One byte a second, for ever, on either listener: the head's time is not extended by it.
    @Test(arguments: [true, false]) func aTrickledHeadIsCutOff(toBuyers: Bool) {
        let world = SimulatedWorld()
        let slow = toBuyers ? world.buyer() : world.operatorConnection()
        slow.send("GET /healthz HTTP/1.1\r\nHost: a\r\nX: ")
        for second in 1...60 {
            _ = world.environment.schedule(at: world.environment.now + .seconds(second)) {
                if slow.near.isOpen { slow.send("x") }
            }
        }
        let start = world.environment.now
        #expect(world.run(upTo: .seconds(60)) { slow.peerHasFinished || slow.isOver })
        #expect(world.environment.now - start < .seconds(15))
        #expect(slow.responses.first?.status == 408)
        world.run(for: .seconds(5))
        #expect(world.coordinator.httpConnectionCount == 0)
    }

    /// The same with a greeting, in frames of one byte each.
    @Test func aTrickledGreetingIsCutOff() {
        let world = SimulatedWorld()
        let slow = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, hello: "")
        let start = world.environment.now
        for second in 1...60 {
            let opcode = second == 1 ? RawFrame.text : 0
            let frame = RawFrame(isFinal: false, opcode: opcode, isMasked: true, payload: [0x20])
            _ = world.environment.schedule(at: start + .seconds(second)) {
                if slow.near.isOpen { slow.sendRaw(frame.encoded()) }
            }
        }
        #expect(world.run(upTo: .seconds(60)) { slow.end != nil })
        #expect(world.environment.now - start < .seconds(11))
        #expect(world.leftovers == [])
    }

    /// Hundreds that upgrade and say nothing: refused beyond the bound, gone after their time, and providers that are in
    /// the pool serve meanwhile.
    @Test func aFloodOfHandshakesStopsNobody() {
        let world = SimulatedWorld()
        _ = world.provider("m1")
        let flood = (0..<500).map { _ in
            SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, hello: "")
        }
        world.run(for: .seconds(1))
        #expect(flood.count { $0.phase == .greeting } == 128)
        #expect(flood.count { $0.httpResponse?.status == 503 } == 372)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer, limit: .seconds(2)))
        #expect(buyer.responses.first?.status == 200)
        world.run(for: .seconds(20))
        #expect(world.coordinator.unauthenticatedConnectionCount == 0)
        #expect(world.provider("late").isLive)
    }

    // MARK: Secrets and the log

    private func logged(_ world: SimulatedWorld) -> String {
        world.environment.logRecords.map { record in
            record.event.description + record.fields.map { " \($0.0)=\($0.1)" }.joined()
        }.joined(separator: "\n")
    }

    /// Keys, tokens, prompts and answers are in no record, when all goes well and when it does not.
    @Test func secretsAreNotLogged() {
        let token = "0123456789abcdef-provider-token"
        let record = TokenRecord(id: 1, digest: withByteView(token) { SHA256.digest(of: $0) }, providerName: "m1")
        let world = SimulatedWorld(tokens: [record])
        func provider(_ id: String, _ token: String) -> SimulatedProvider {
            SimulatedProvider(
                world.environment, to: world.coordinator.providerAcceptor, id: id,
                fields: "Authorization: Bearer \(token)\r\n")
        }
        let good = world.join(provider("m1", token))
        good.onRequest = { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: {\"answer\":\"secret-answer\"}\n\n")
            provider.sendEnd(request.id, status: "error_internal", chunks: 1)
        }
        _ = world.join(provider("m2", token))
        _ = world.join(provider("m1", "wrong-provider-token"))
        let buyer = world.buyer()
        buyer.complete(
            model: "test-model", stream: true, content: "secret-prompt",
            fields: "Authorization: Bearer secret-buyer\r\n")
        _ = world.wait(for: buyer)
        buyer.post("{\"model\":\"test-model\",\"secret-body\":", fields: "")
        world.run(for: .seconds(2))
        _ = answer(world, "GET /poolz HTTP/1.1\r\nHost: a\r\n\(Self.key)\r\n")
        _ = answer(world, "GET /poolz HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong-operator-key\r\n\r\n")
        good.sendText("{\"type\":\"secret-nonsense\",\"prompt\":\"secret-echo\"}")
        world.run(for: .seconds(1))

        let log = logged(world)
        #expect(log.contains("request_finished"))
        let secrets = [
            token, "wrong-provider-token", "operator-key", "secret-prompt", "secret-answer", "secret-buyer",
            "secret-body",
            "secret-echo",
        ]
        for secret in secrets { #expect(!log.contains(secret), "\(secret) is in the log") }
        let page = answer(world, "GET /metrics HTTP/1.1\r\nHost: a\r\n\(Self.key)\r\n")?.text ?? ""
        for secret in secrets { #expect(!page.contains(secret), "\(secret) is in the metrics") }
    }
}
