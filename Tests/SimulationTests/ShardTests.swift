import Coordinator
import Primitives
import TestKit
import Testing

@Suite("Buyers on one shard, providers on another")
struct ShardTests {
    @Test func aStreamCrossesWhole() throws {
        let pair = ShardPair()
        let provider = pair.world.provider { $0.answer($1, chunks: 200) }
        let buyer = pair.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(pair.world.wait(for: buyer))
        let id = try #require(provider.requests.first?.id)
        let response = try #require(buyer.responses.first)
        #expect(response.status == 200)
        #expect(response.field("X-MacProvider-Provider") == "m1")
        #expect(response.events == (0..<200).map { "{\"r\":\"\(id)\",\"n\":\($0)}" } + ["[DONE]"])
        #expect(pair.leftovers == [])
    }

    @Test func errorsModelsAndHealthCross() {
        let pair = ShardPair()
        _ = pair.world.provider("m1", model: "known")
        let buyer = pair.buyer()
        buyer.complete(model: "unknown", stream: false)
        buyer.get("/v1/models")
        buyer.get("/healthz")
        buyer.complete(model: "known", stream: false)
        #expect(pair.world.wait(for: buyer, answers: 4))
        #expect(buyer.responses.map(\.status) == [404, 200, 200, 200])
        #expect(buyer.responses[1].text.contains("\"id\":\"known\""))
        #expect(buyer.responses[2].text.contains("\"pool_ready\":1"))
        #expect(pair.leftovers == [])
    }

    @Test func aBuyerWhoLeavesCancelsAcrossTheDoor() {
        let pair = ShardPair()
        let provider = pair.world.provider { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: 0\n\n")
        }
        let buyer = pair.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(pair.world.run(upTo: .seconds(1)) { buyer.latest?.events.count == 1 })
        buyer.leave()
        #expect(pair.world.run(upTo: .seconds(1)) { provider.cancelled.count == 1 })
        pair.world.run(for: .seconds(11))
        #expect(pair.leftovers == [])
    }

    @Test func aSlowBuyerIsCutWhereItsBytesWait() {
        var settings = SimulatedWorld.settings
        settings.limits.bufferedByteCountPerRequest = 128 * 1024
        let pair = ShardPair(settings: settings)
        let provider = pair.world.provider { provider, request in
            for seq in 0..<1_000 {
                provider.sendChunk(request.id, seq: seq, data: "data: \(String(repeating: "x", count: 1_000))\n\n")
            }
        }
        let buyer = pair.buyer()
        buyer.complete(model: "test-model", stream: true)
        buyer.far.outgoing.isStalled = true
        buyer.far.outgoing.capacity = 64 * 1024
        #expect(pair.world.run(upTo: .seconds(5)) { provider.cancelled.count == 1 })
        #expect(!buyer.far.isOpen)
        pair.world.run(for: .seconds(11))
        #expect(pair.leftovers == [])
    }

    @Test func aDrainWaitsForStreamsOfTheFront() {
        let pair = ShardPair()
        let provider = pair.world.provider { provider, request in
            for seq in 0..<5 {
                _ = pair.world.environment.schedule(at: pair.world.environment.now + .seconds(seq)) {
                    provider.sendChunk(request.id, seq: seq, data: SimulatedProvider.event(request.id, seq))
                    if seq == 4 { provider.sendEnd(request.id, chunks: 5) }
                }
            }
        }
        let buyer = pair.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(pair.world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        var ended = 0
        pair.world.coordinator.startDrain(limit: .seconds(30)) { ended += 1 }
        pair.frontCoordinator.startDrain(limit: .seconds(30)) { ended += 1 }
        #expect(pair.world.run(upTo: .seconds(20)) { ended == 2 })
        #expect(buyer.responses.first?.events.count == 6)
        #expect(provider.close?.code == 1001)
        #expect(pair.leftovers == [])
    }
}
