import Coordinator
import Primitives
import TestKit
import Testing

@Suite("Bounds that hold over shards")
struct ShardBoundTests {
    private static let body = """
        {"model":"test-model","stream":true,"messages":[{"role":"user","content":"hello"}]}
        """

    /// The front holds the body until it is whole, the way over holds it, the hub holds it: one number all along.
    @Test func aBodyIsOnTheLedgerAllTheWay() {
        let pair = ShardPair()
        let provider = pair.world.provider { _, _ in }
        let buyer = pair.buyer()
        var steps: [Int] = []
        pair.world.environment.afterStep = {
            let count = pair.world.coordinator.heldBodyByteCount
            #expect(pair.frontCoordinator.heldBodyByteCount == count)
            if steps.last != count { steps.append(count) }
        }
        buyer.post(Self.body)
        #expect(pair.world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        #expect(steps.last == Self.body.utf8.count)
        #expect(steps.filter { $0 == 0 }.count <= 1, "it was off the ledger on its way: \(steps)")
        provider.answer(provider.requests[0])
        #expect(pair.world.wait(for: buyer))
        #expect(pair.leftovers == [])
    }

    @Test func theBoundOnBodiesHoldsOverShards() {
        var settings = SimulatedWorld.settings
        settings.limits.heldBodyByteCount = 3 * Self.body.utf8.count
        let pair = ShardPair(settings: settings)
        let provider = pair.world.provider(slots: 8) { _, _ in }
        let waiting = [pair.buyer(), pair.world.buyer(), pair.buyer()]
        for buyer in waiting { buyer.post(Self.body) }
        #expect(pair.world.run(upTo: .seconds(1)) { provider.requests.count == 3 })
        #expect(pair.world.coordinator.heldBodyByteCount == settings.limits.heldBodyByteCount)
        for refused in [pair.buyer(), pair.world.buyer()] {
            refused.post(Self.body)
            #expect(pair.world.wait(for: refused))
            #expect(refused.responses.first?.status == 503)
        }
        for request in provider.requests { provider.answer(request) }
        for buyer in waiting { #expect(pair.world.wait(for: buyer)) }
        #expect(pair.leftovers == [])
    }

    /// The hub has stopped, or nobody wants the answer any more.
    @Test func aBodyThatNobodyTakesIsOffTheLedger() {
        let pair = ShardPair()
        _ = pair.world.provider { _, _ in }
        let buyer = pair.buyer()
        pair.losesQuestions = true
        buyer.post(Self.body)
        pair.world.run(for: .seconds(1))
        #expect(pair.front.openExchangeCount == 1)
        #expect(pair.world.coordinator.heldBodyByteCount == 0)
    }
}
