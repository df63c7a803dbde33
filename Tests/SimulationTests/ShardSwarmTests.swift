import Coordinator
import HTTPCodec
import Primitives
import TestKit
import Testing

/// Buyers on both shards who read, leave and stall as a seed has it, a front that hangs now and then, and bounds that are
/// reached all the time.
@Suite("Many buyers on a hub and a front")
struct ShardSwarmTests {
    private final class Run {
        let pair: ShardPair
        var random: SeededRandom
        let journal = RecordingJournal()
        var buyers: [SimulatedBuyer] = []
        var environment: SimulatedEnvironment { pair.world.environment }

        init(seed: UInt64) {
            var settings = SimulatedWorld.settings
            settings.limits.bufferedByteCountPerRequest = 4_000
            settings.limits.frontBacklogByteCount = 12_000
            settings.limits.heldBodyByteCount = 300
            pair = ShardPair(settings: settings, journal: journal)
            random = SeededRandom(seed: seed)
            for id in ["m1", "m2"] {
                _ = pair.world.provider(id, slots: 8) { [unowned self] provider, request in serve(provider, request) }
            }
        }

        private func later(_ milliseconds: ClosedRange<Int>, _ action: @escaping () -> Void) {
            let delay = Duration.milliseconds(Int.random(in: milliseconds, using: &random))
            _ = environment.schedule(at: environment.now + delay, action)
        }

        private func serve(_ provider: SimulatedProvider, _ request: SimulatedProvider.Request) {
            guard request.stream else { return later(0...50) { provider.answer(request) } }
            let count = Int.random(in: 1...120, using: &random)
            later(0...10) { self.sendBurst(provider, request, from: 0, count) }
        }

        private func sendBurst(
            _ provider: SimulatedProvider, _ request: SimulatedProvider.Request, from first: Int, _ count: Int
        ) {
            if provider.cancelled.contains(where: { $0.id == request.id }) {
                return provider.sendEnd(request.id, chunks: first)
            }
            let end = min(count, first + Int.random(in: 1...40, using: &random))
            for seq in first..<end {
                provider.sendChunk(request.id, seq: seq, data: SimulatedProvider.event(request.id, seq))
            }
            guard end < count else { return provider.sendEnd(request.id, chunks: count) }
            later(0...30) { self.sendBurst(provider, request, from: end, count) }
        }

        func play() {
            for clump in 0..<10 {
                for _ in 0..<6 { later(300 * clump...300 * clump + 2) { self.addBuyer() } }
            }
            for _ in 0..<6 {
                later(0...3_000) {
                    self.pair.frontIsStuck = true
                    self.later(1...200) { self.pair.frontGoesOn() }
                }
            }
            environment.run(for: .seconds(4))
            pair.frontGoesOn()
            for buyer in buyers { buyer.far.outgoing.isStalled = false }
            environment.run(for: .seconds(15))
        }

        private func addBuyer() {
            let buyer = random.chance(0.7) ? pair.buyer() : pair.world.buyer()
            buyers.append(buyer)
            buyer.complete(model: "test-model", stream: random.chance(0.8))
            if random.chance(0.2) { later(0...100) { buyer.leave() } }
            guard random.chance(0.2) else { return }
            later(0...20) {
                buyer.far.outgoing.isStalled = true
                buyer.far.outgoing.capacity = 500
            }
        }
    }

    /// What is wrong with an answer that its buyer takes for whole; nil if nothing is.
    private static func fault(in response: PlainResponseReader.Response) -> String? {
        guard response.status == 200 else { return response.status == 503 ? nil : "status \(response.status)" }
        guard let id = response.field("x-request-id") else { return "no id" }
        guard response.field("Content-Type")?.hasPrefix("text/event-stream") == true else {
            return response.text == "{\"id\":\"\(id)\"}" ? nil : "\(id): \(response.text)"
        }
        let events = response.events
        let expected = (0..<max(0, events.count - 1)).map { "{\"r\":\"\(id)\",\"n\":\($0)}" } + ["[DONE]"]
        return events == expected ? nil : "\(id): \(events)"
    }

    @Test(arguments: 1...40) func nothingIsMixedLostOrLeftOver(seed: UInt64) {
        let run = Run(seed: seed)
        run.play()
        #expect(run.pair.leftovers == [])
        for response in run.buyers.flatMap(\.responses) where response.isComplete {
            let fault = Self.fault(in: response)
            #expect(fault == nil)
        }
        let metrics = run.pair.world.coordinator.metrics
        #expect(metrics.requestsByModelAndStatus.values.reduce(0, +) == metrics.requestsTotal)
        #expect(run.journal.requests.count == Int(metrics.requestsTotal))
        // Those that find no room for their body, or leave before it is whole, are no requests yet.
        #expect(metrics.requestsTotal <= 60 && metrics.requestsTotal > 10)
        let cutAsSlow = run.pair.world.environment.loggedEvents("request_failed").count
        #expect(cutAsSlow <= Int(metrics.slowBuyersDropped))
        #expect(ShardMetricsTests.page(of: run.pair).contains("trunkline_front_backlog_bytes 0"))
    }

    /// The seeds reach what they are there for.
    @Test func theBoundsAreReached() {
        var total = CoordinatorMetrics()
        for seed in 1...20 {
            let run = Run(seed: UInt64(seed))
            run.play()
            total.add(run.pair.world.coordinator.metrics)
            total.add(run.pair.frontCoordinator.metrics)
        }
        #expect(total.frontBacklogDrops > 0)
        #expect(total.slowBuyersDropped > total.frontBacklogDrops)
        #expect(total.requestsByModelAndStatus.contains { $0.key.status == 499 })
        #expect((total.httpRefusals[503] ?? 0) > 0)
    }
}
