import Coordinator
import Pool
import Primitives
import TestKit
import Testing

@Suite("A request's way through the coordinator")
struct RelayTests {
    @Test func aStreamReachesItsBuyerWhole() throws {
        let world = SimulatedWorld()
        let provider = world.provider()
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        let response = try #require(buyer.responses.first)
        #expect(response.status == 200)
        #expect(response.field("Content-Type") == "text/event-stream; charset=utf-8")
        #expect(response.field("X-MacProvider-Provider") == "m1")
        #expect(response.field("X-MacProvider-Route") == provider.assignedID)
        let id = try #require(provider.requests.first?.id)
        #expect(response.field("x-request-id") == id)
        #expect(response.events == (0..<3).map { "{\"r\":\"\(id)\",\"n\":\($0)}" } + ["[DONE]"])
        #expect(buyer.reader.violation == nil)
        #expect(world.leftovers == [])
    }

    @Test func theBodyTravelsByteForByte() throws {
        let world = SimulatedWorld()
        let provider = world.provider()
        let buyer = world.buyer()
        let body =
            "{ \"model\":\"TEST-Model\",\n \"messages\":[{\"role\":\"user\",\"content\":\"q\\\"\\u00e9\\n\\ud83d\\ude00\"}], \"x\":1.50 }"
        buyer.post(body)
        #expect(world.wait(for: buyer))
        #expect(provider.requests.first?.body == body)
        #expect(buyer.responses.first?.status == 200)
        #expect(buyer.responses.first?.text == "{\"id\":\"\(try #require(provider.requests.first?.id))\"}")
        #expect(world.leftovers == [])
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() {
        let world = SimulatedWorld()
        let provider = world.provider(onRequest: nil)
        let buyer = world.buyer()
        for number in 0..<5 { buyer.complete(model: "test-model", stream: true, content: "n\(number)") }
        provider.onRequest = { $0.answer($1, chunks: 2) }
        #expect(world.wait(for: buyer, answers: 5))
        let order = provider.requests.map { $0.body.contains("n") ? $0.body : "" }
        #expect(order.count == 5)
        for number in 0..<5 { #expect(order[number].contains("\"n\(number)\"")) }
        #expect(world.leftovers == [])
    }

    @Test func aDoneEventOfTheProviderIsNotDoubled() {
        let world = SimulatedWorld()
        _ = world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: {}\n\n")
            provider.sendChunk(request.id, seq: 1, data: "data: [DONE]\n\n")
            provider.sendEnd(request.id, chunks: 2)
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.text == "data: {}\n\ndata: [DONE]\n\n")
    }

    struct EndCase: Sendable, CustomTestStringConvertible {
        var status: String
        var httpStatus: Int
        var code: String
        var testDescription: String { status }
    }

    static let ends = [
        EndCase(status: "error_model_not_loaded", httpStatus: 503, code: "provider_error"),
        EndCase(status: "error_context_exceeded", httpStatus: 413, code: "context_length_exceeded"),
        EndCase(status: "error_queue_full", httpStatus: 503, code: "no_provider_available"),
        EndCase(status: "error_internal", httpStatus: 502, code: "provider_error"),
    ]

    @Test(arguments: ends, [true, false])
    func anErrorBeforeTheFirstByteIsAnHTTPStatus(_ end: EndCase, stream: Bool) throws {
        let world = SimulatedWorld()
        let provider = world.provider { $0.sendEnd($1.id, status: end.status) }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: stream)
        #expect(world.wait(for: buyer))
        let response = try #require(buyer.responses.first)
        #expect(response.status == end.httpStatus)
        #expect(response.field("x-request-id") == provider.requests.first?.id)
        #expect(response.text.contains("\"code\":\"\(end.code)\""))
        #expect(world.leftovers == [])
    }

    @Test(arguments: ends)
    func anErrorAfterTheFirstByteIsAnEvent(_ end: EndCase) throws {
        let world = SimulatedWorld()
        _ = world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: {}\n\n")
            provider.sendEnd(request.id, status: end.status, chunks: 1)
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        let events = try #require(buyer.responses.first).events
        #expect(events.count == 3)
        #expect(events[1].contains("\"code\":\"provider_disconnect\""))
        #expect(events[2] == "[DONE]")
    }

    @Test func aFullProviderPassesTheRequestOn() throws {
        let world = SimulatedWorld()
        let full = world.provider("a-full", slots: 1) { $0.sendEnd($1.id, status: "error_queue_full") }
        let idle = world.provider("b-idle", slots: 8)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(full.requests.count == 1)
        #expect(idle.requests.count == 1)
        #expect(buyer.responses.first?.status == 200)
        #expect(buyer.responses.first?.field("X-MacProvider-Provider") == "b-idle")
        #expect(world.leftovers == [])
    }

    @Test func aDisconnectBeforeTheFirstByteIs502() throws {
        let world = SimulatedWorld()
        _ = world.provider { provider, _ in provider.near.reset() }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 502)
        #expect(try #require(buyer.responses.first).text.contains("provider_failed"))
        #expect(world.leftovers == [])
    }

    @Test func aDisconnectMidStreamIsAnErrorEventAndAProperEnd() throws {
        let world = SimulatedWorld()
        _ = world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: {}\n\n")
            _ = world.environment.schedule(at: world.environment.now + .seconds(1)) { provider.near.reset() }
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        let response = try #require(buyer.responses.first)
        #expect(response.isComplete)
        #expect(response.events.last == "[DONE]")
        #expect(response.events[1].contains("provider_disconnect"))
        // The buyer's connection lives on.
        buyer.get("/v1/models")
        #expect(world.wait(for: buyer, answers: 2))
        #expect(world.leftovers == [])
    }

    @Test func silenceIsATimeOutAndTheProviderIsToldToStop() throws {
        let world = SimulatedWorld()
        let provider = world.provider { _, _ in }
        keepAlive(provider, in: world)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 504)
        #expect(try #require(buyer.responses.first).text.contains("provider_timeout"))
        world.run(for: .seconds(1))
        #expect(provider.cancelled.map(\.reason) == ["timeout"])
        // The slot is freed after ten seconds without an answer.
        #expect(world.coordinator.pool.counts.activeRequests == 1)
        world.run(for: .seconds(10))
        #expect(world.leftovers == [])
    }

    @Test func aLongStreamIsNotCutWhileChunksCome() throws {
        let world = SimulatedWorld()
        _ = world.provider { provider, request in
            for seq in 0..<10 {
                _ = world.environment.schedule(at: world.environment.now + .seconds(100 * seq)) {
                    provider.sendChunk(request.id, seq: seq, data: SimulatedProvider.event(request.id, seq))
                    if seq == 9 { provider.sendEnd(request.id, chunks: 10) }
                }
            }
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer, limit: .seconds(2_000)))
        #expect(try #require(buyer.responses.first).events.count == 11)
    }

    @Test func aGapIsHeldAndFilled() throws {
        let world = SimulatedWorld()
        _ = world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: 0\n\n")
            provider.sendChunk(request.id, seq: 2, data: "data: 2\n\n")
            provider.sendChunk(request.id, seq: 3, data: "data: 3\n\n")
            provider.sendChunk(request.id, seq: 2, data: "data: again\n\n")
            provider.sendChunk(request.id, seq: 1, data: "data: 1\n\n")
            provider.sendEnd(request.id, chunks: 5)
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(try #require(buyer.responses.first).events == ["0", "1", "2", "3", "[DONE]"])
    }

    @Test func aGapThatStaysFailsAfterFiveSeconds() throws {
        let world = SimulatedWorld()
        let provider = world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: 0\n\n")
            provider.sendChunk(request.id, seq: 2, data: "data: 2\n\n")
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        let start = world.environment.now
        #expect(world.wait(for: buyer))
        #expect(world.environment.now - start >= .seconds(5))
        #expect(world.environment.now - start < .seconds(6))
        let events = try #require(buyer.responses.first).events
        #expect(events.first == "0")
        #expect(events.last == "[DONE]")
        #expect(!events.contains("2"))
        world.run(for: .seconds(1))
        #expect(provider.cancelled.count == 1)
    }

    enum Leaving: String, CaseIterable, Sendable { case close, reset, halfClose }

    @Test(arguments: Leaving.allCases, [true, false])
    func aBuyerWhoLeavesCancels(_ leaving: Leaving, afterFirstChunk: Bool) throws {
        let world = SimulatedWorld()
        let provider = world.provider { provider, request in
            if afterFirstChunk { provider.sendChunk(request.id, seq: 0, data: "data: 0\n\n") }
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        _ = world.run(upTo: .seconds(5)) {
            provider.requests.count == 1 && (!afterFirstChunk || buyer.latest?.events.count == 1)
        }
        switch leaving {
        case .close: buyer.leave()
        case .reset: buyer.reset()
        case .halfClose: buyer.near.finishWriting()
        }
        #expect(world.run(upTo: .seconds(1)) { !provider.cancelled.isEmpty })
        #expect(provider.cancelled.first?.reason == "buyer_disconnected")
        #expect(world.coordinator.pool.counts.activeRequests == 1)
        provider.sendEnd(try #require(provider.requests.first?.id), status: "cancelled")
        world.run(for: .seconds(1))
        #expect(world.leftovers == [])
    }

    @Test func anUnstreamedRequestIsCancelledToo() {
        let world = SimulatedWorld()
        let provider = world.provider { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: false)
        _ = world.run(upTo: .seconds(5)) { provider.requests.count == 1 }
        buyer.leave()
        #expect(world.run(upTo: .seconds(1)) { provider.cancelled.count == 1 })
        world.run(for: .seconds(11))
        #expect(world.leftovers == [])
    }

    @Test func aSlowBuyerIsCutAloneAtItsBound() throws {
        var settings = SimulatedWorld.settings
        settings.limits.bufferedByteCountPerRequest = 256 * 1024
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider(slots: 8) { provider, request in
            if request.body.contains("slow") {
                for seq in 0..<2000 {
                    provider.sendChunk(request.id, seq: seq, data: "data: \(String(repeating: "x", count: 1000))\n\n")
                }
            } else {
                provider.answer(request, chunks: 50)
            }
        }
        let slow = world.buyer()
        slow.complete(model: "test-model", stream: true, content: "slow")
        slow.far.outgoing.isStalled = true
        slow.far.outgoing.capacity = 64 * 1024
        _ = world.run(upTo: .seconds(5)) { provider.requests.count == 1 }
        let quick = world.buyer()
        quick.complete(model: "test-model", stream: true)
        #expect(world.wait(for: quick))
        #expect(try #require(quick.responses.first).events.count == 51)
        #expect(world.run(upTo: .seconds(5)) { provider.cancelled.count == 1 })
        #expect(!slow.far.isOpen)
        #expect(provider.isLive)
        world.run(for: .seconds(11))
        #expect(world.leftovers == [])
    }

    @Test func noMoreRequestsThanSlots() {
        let world = SimulatedWorld()
        let provider = world.provider(slots: 2) { _, _ in }
        let buyers = (0..<3).map { _ in world.buyer() }
        for buyer in buyers { buyer.complete(model: "test-model", stream: true) }
        #expect(world.run(upTo: .seconds(5)) { buyers.contains { !$0.responses.isEmpty } })
        #expect(provider.requests.count == 2)
        let refused = buyers.compactMap { $0.responses.first }
        #expect(refused.map(\.status) == [503])
        #expect(refused.first?.field("Retry-After") == "1")
    }

    /// Heartbeats, so that the session outlives long waits.
    func keepAlive(_ provider: SimulatedProvider, in world: SimulatedWorld) {
        _ = world.environment.schedule(at: world.environment.now + .seconds(30)) {
            guard provider.isLive else { return }
            provider.sendHeartbeat()
            self.keepAlive(provider, in: world)
        }
    }
}
