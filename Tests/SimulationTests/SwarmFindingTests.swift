import Coordinator
import Primitives
import TestKit
import Testing

/// Found by swarms; each names the seed that showed it.
@Suite("What swarms have found")
struct SwarmFindingTests {
    /// Seed 211: a session that ended gave up its requests before it left the pool, so the next request of the same
    /// buyer was routed to it, and waited for ever.
    @Test func aPipelinedRequestIsNotRoutedToTheSessionThatJustEnded() throws {
        let world = SimulatedWorld()
        let provider = world.provider("m1") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        provider.near.reset()
        #expect(world.wait(for: buyer, answers: 2, limit: .seconds(1)))
        #expect(buyer.responses.map(\.status) == [502, 503])
        #expect(world.leftovers == [])
    }

    /// Seed 230: a stream that had relayed its provider's `[DONE]` got an error event and another `[DONE]` when the
    /// provider went before its end.
    @Test func nothingFollowsDone() throws {
        let world = SimulatedWorld()
        let provider = world.provider("m1") { provider, request in
            provider.sendChunk(request.id, seq: 0, data: SimulatedProvider.event(request.id, 0))
            provider.sendChunk(request.id, seq: 1, data: "data: [DONE]\n\n")
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { buyer.latest?.events.last == "[DONE]" })
        provider.near.reset()
        #expect(world.wait(for: buyer, limit: .seconds(1)))
        #expect(buyer.responses.first?.events.count == 2)
        #expect(buyer.responses.first?.events.last == "[DONE]")
    }

    /// Seed 3642: a frame that did not open failed its request while the session still served. A session that was due
    /// for new keys began the exchange, and the same buyer's next request went to it.
    @Test func aSessionWhoseSealIsBrokenBeginsNothingNew() throws {
        var settings = SimulatedWorld.settings
        settings.tier2.rekeyAfterRequests = 1
        let world = SimulatedWorld(settings: settings)
        let provider = try world.encryptedProvider { provider, request in
            let chunk = provider.chunk(request, seq: 0, data: SimulatedProvider.event(request.id, 0))
            provider.simulated.sendText(chunk.replacing("\"kid\":\"", with: "\"kid\":\"x"))
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer, answers: 2, limit: .seconds(1)))
        world.run(for: .seconds(1))
        #expect(buyer.responses.map(\.status) == [502, 503])
        #expect(provider.requests.count == 1)
        #expect(provider.rekeyRequests.isEmpty)
        #expect(provider.simulated.close?.code == 4013)
        #expect(world.leftovers == [])
    }

    /// Seed 18345: a provider that answered a request with `unknown_message_type` after it had been cancelled kept the
    /// request, and its slot, for ever.
    @Test func aNakForACancelledRequestFreesItsSlot() {
        let world = SimulatedWorld()
        let provider = world.provider("m1") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        buyer.leave()
        #expect(world.run(upTo: .seconds(1)) { provider.cancelled.count == 1 })
        provider.sendText(
            "{\"type\":\"nak\",\"in_reply_to\":\"inference_request\",\"request_id\":\"\(provider.requests[0].id)\","
                + "\"error\":{\"code\":\"unknown_message_type\",\"message\":\"?\"}}")
        world.run(for: .seconds(1))
        #expect(world.leftovers == [])
    }
}
