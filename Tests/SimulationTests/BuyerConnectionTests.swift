import Coordinator
import Primitives
import TestKit
import Testing

@Suite("A buyer's connection")
struct BuyerConnectionTests {
    struct Refusal: Sendable, CustomTestStringConvertible {
        var request: String
        var status: Int
        var code: String
        var testDescription: String { "\(status) \(code)" }
    }

    static let refusals = [
        Refusal(request: "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", status: 404, code: "not_found"),
        Refusal(request: "DELETE /v1/models HTTP/1.1\r\nHost: a\r\n\r\n", status: 405, code: "method_not_allowed"),
        Refusal(
            request: "GET /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n", status: 405, code: "method_not_allowed"),
        Refusal(request: "GET / HTTP/1.1\r\n\r\n", status: 400, code: "bad_request"),
        Refusal(request: "GET / HTTP/9.1\r\nHost: a\r\n\r\n", status: 505, code: "bad_request"),
        Refusal(
            request: "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", status: 413,
            code: "bad_request"),
        Refusal(
            request: "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n{a}", status: 400,
            code: "invalid_json"),
        Refusal(
            request: "GET /admin/provisional HTTP/1.1\r\nHost: a\r\n\r\n", status: 404, code: "not_found"),
    ]

    @Test(arguments: refusals) func aBadRequestGetsAnErrorObject(_ refusal: Refusal) throws {
        let world = SimulatedWorld()
        let buyer = world.buyer()
        buyer.send(refusal.request)
        #expect(world.wait(for: buyer, limit: .seconds(1)))
        let response = try #require(buyer.responses.first)
        #expect(response.status == refusal.status)
        #expect(response.text.contains("\"code\":\"\(refusal.code)\""))
        #expect(response.field("Content-Type") == "application/json")
        world.run(for: .seconds(160))
        #expect(buyer.isOver)
        #expect(world.leftovers == [])
    }

    @Test func anUnknownModelIs404AndAKnownOneWithoutProviders503() {
        let world = SimulatedWorld()
        let provider = world.provider("m1", model: "known")
        let buyer = world.buyer()
        buyer.complete(model: "unknown", stream: false)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses[0].status == 404)
        #expect(buyer.responses[0].text.contains("model_not_found"))
        #expect(buyer.responses[0].field("x-request-id")?.hasPrefix("req-") == true)
        provider.near.close()
        world.run(for: .seconds(60))
        buyer.complete(model: "KNOWN", stream: false)
        #expect(world.wait(for: buyer, answers: 2))
        #expect(buyer.responses[1].status == 503)
    }

    @Test func modelsAreListed() throws {
        let world = SimulatedWorld()
        _ = world.provider("m1", model: "a", slots: 2)
        _ = world.provider("m2", model: "a", slots: 3)
        let buyer = world.buyer()
        buyer.get("/v1/models")
        #expect(world.wait(for: buyer))
        let text = try #require(buyer.responses.first).text
        #expect(text.contains("\"provider_count\":2"))
        #expect(text.contains("\"total_slots\":5"))
        #expect(text.contains("\"context_length\":8192"))
    }

    @Test func aSlowHeadAndASlowBodyAre408() {
        let world = SimulatedWorld()
        let head = world.buyer()
        head.send("POST /v1/chat")
        let body = world.buyer()
        body.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        let trickle = world.buyer()
        trickle.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        for second in 1...60 {
            _ = world.environment.schedule(at: world.environment.now + .seconds(second)) {
                if trickle.near.isOpen { trickle.send(" ") }
            }
        }
        let start = world.environment.now
        #expect(world.wait(for: head))
        #expect(head.responses.first?.status == 408)
        #expect(world.environment.now - start < .seconds(11))
        #expect(world.wait(for: body))
        #expect(body.responses.first?.status == 408)
        #expect(world.wait(for: trickle))
        #expect(trickle.responses.first?.status == 408)
        #expect(world.environment.now - start < .seconds(32))
        world.run(for: .seconds(5))
        #expect(world.leftovers == [])
    }

    @Test func anIdleConnectionIsClosedQuietly() {
        let world = SimulatedWorld()
        let buyer = world.buyer()
        world.run(for: .seconds(149))
        #expect(!buyer.isOver)
        world.run(for: .seconds(2))
        #expect(buyer.isOver)
        #expect(buyer.received.isEmpty)
        #expect(world.coordinator.httpConnectionCount == 0)
    }

    @Test func expectContinueIsAnswered() {
        let world = SimulatedWorld()
        _ = world.provider()
        let buyer = world.buyer()
        let body = "{\"model\":\"test-model\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
        buyer.send(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
        )
        #expect(
            world.run(upTo: .seconds(1)) { String(decoding: buyer.received, as: UTF8.self).hasPrefix("HTTP/1.1 100") })
        buyer.send(body)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 200)
    }

    @Test func anHTTP10ClientGetsItsStreamUntilTheEnd() throws {
        let world = SimulatedWorld()
        _ = world.provider()
        let buyer = world.buyer()
        let body = "{\"model\":\"test-model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
        buyer.send("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        #expect(world.wait(for: buyer))
        let response = try #require(buyer.responses.first)
        #expect(response.field("Transfer-Encoding") == nil)
        #expect(response.events.last == "[DONE]")
    }

    @Test func headRequestsGetNoBody() {
        let world = SimulatedWorld()
        let buyer = world.buyer()
        buyer.send("HEAD /v1/models HTTP/1.1\r\nHost: a\r\n\r\n")
        world.run(for: .seconds(1))
        let text = String(decoding: buyer.received, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 200 OK\r\n"))
        #expect(text.hasSuffix("\r\n\r\n"))
    }

    @Test func bodiesInMemoryAreBounded() {
        var settings = SimulatedWorld.settings
        settings.limits.heldBodyByteCount = 10_000
        let world = SimulatedWorld(settings: settings)
        _ = world.provider()
        let holder = world.buyer()
        holder.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n")
        holder.send(String(repeating: " ", count: 9_000))
        world.run(for: .seconds(1))
        #expect(world.coordinator.heldBodyByteCount == 9_000)
        let refused = world.buyer()
        refused.complete(model: "test-model", stream: false, content: String(repeating: "x", count: 2_000))
        #expect(world.wait(for: refused))
        #expect(refused.responses.first?.status == 503)
        holder.leave()
        world.run(for: .seconds(3))
        #expect(world.coordinator.heldBodyByteCount == 0)
    }

    @Test func pinningHeadersAreObeyed() {
        let world = SimulatedWorld()
        let first = world.provider("first", slots: 1)
        let second = world.provider("second", slots: 8)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: false, fields: "X-MacProvider-Provider: second\r\n")
        #expect(world.wait(for: buyer))
        #expect(second.requests.count == 1)
        buyer.complete(
            model: "test-model", stream: false, fields: "X-MacProvider-Session: \(first.assignedID ?? "")\r\n")
        #expect(world.wait(for: buyer, answers: 2))
        #expect(first.requests.count == 1)
        buyer.complete(
            model: "test-model", stream: false,
            fields: "X-MacProvider-Session: 00000000-0000-4000-8000-000000000000\r\n")
        #expect(world.wait(for: buyer, answers: 3))
        #expect(buyer.responses[2].status == 503)
        #expect(buyer.responses[2].text.contains("session_ended"))
        buyer.complete(model: "test-model", stream: false, fields: "X-MacProvider-Pref: cheap\r\n")
        #expect(world.wait(for: buyer, answers: 4))
        #expect(buyer.responses[3].status == 400)
    }

    @Test func aLastAnswerHasTimeToLeaveWhole() throws {
        let world = SimulatedWorld()
        let event = "data: \(String(repeating: "x", count: 10_000))\n\n"
        _ = world.provider { provider, request in
            for seq in 0..<100 { provider.sendChunk(request.id, seq: seq, data: event) }
            provider.sendEnd(request.id, chunks: 100)
        }
        let buyer = world.buyer()
        // 160 KiB a second: the megabyte takes longer than input is waited for after an answer.
        buyer.far.outgoing.capacity = 64 * 1024
        buyer.far.outgoing.largestPiece = 16 * 1024
        buyer.far.outgoing.latency = .milliseconds(100)
        buyer.complete(model: "test-model", stream: true, fields: "Connection: close\r\n")
        #expect(world.wait(for: buyer))
        let response = try #require(buyer.responses.first)
        #expect(response.isComplete)
        #expect(response.events.count == 101)
        world.run(for: .seconds(5))
        #expect(buyer.isOver)
        #expect(world.coordinator.httpConnectionCount == 0)
        #expect(world.leftovers == [])
    }

    @Test func answersThatNobodyReadStopTheReading() {
        let world = SimulatedWorld()
        let buyer = world.buyer()
        buyer.far.outgoing.isStalled = true
        buyer.far.outgoing.capacity = 64 * 1024
        for _ in 0..<10_000 { buyer.get("/v1/models") }
        world.run(for: .seconds(5))
        #expect(buyer.near.undeliveredByteCount > 128 * 1024)
        buyer.far.outgoing.isStalled = false
        buyer.far.scheduleDelivery()
        #expect(world.wait(for: buyer, answers: 10_000, limit: .seconds(60)))
        world.run(for: .seconds(160))
        #expect(buyer.isOver)
        #expect(world.coordinator.httpConnectionCount == 0)
    }

    @Test func aSlowReaderIsNotIdle() throws {
        let world = SimulatedWorld()
        let text = String(repeating: "x", count: 2_000_000)
        _ = world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "{\"text\":\"\(text)\"}")
            provider.sendEnd(request.id, chunks: 1)
        }
        let buyer = world.buyer()
        // 10 kB a second: longer than a connection may be idle.
        buyer.far.outgoing.capacity = 16 * 1024
        buyer.far.outgoing.largestPiece = 10_000
        buyer.far.outgoing.latency = .seconds(1)
        buyer.complete(model: "test-model", stream: false)
        #expect(world.wait(for: buyer))
        #expect(try #require(buyer.responses.first).isComplete)
        #expect(!buyer.isOver)
        world.run(for: .seconds(160))
        #expect(buyer.isOver)
        #expect(world.leftovers == [])
    }
}
