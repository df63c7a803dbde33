import Coordinator
import Environment
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

    // MARK: A buyer that does not read

    /// What log, request log and counters say of a slow buyer.
    private static func recordOfASlowBuyer(onFront: Bool) -> [String] {
        var settings = SimulatedWorld.settings
        settings.limits.bufferedByteCountPerRequest = 128 * 1024
        let journal = RecordingJournal()
        let pair = ShardPair(settings: settings, journal: journal)
        let provider = pair.world.provider { provider, request in
            for seq in 0..<1_000 {
                provider.sendChunk(request.id, seq: seq, data: "data: \(String(repeating: "x", count: 1_000))\n\n")
            }
        }
        let buyer = onFront ? pair.buyer() : pair.world.buyer()
        buyer.post(body)
        buyer.far.outgoing.isStalled = true
        buyer.far.outgoing.capacity = 64 * 1024
        #expect(pair.world.run(upTo: .seconds(5)) { provider.cancelled.count == 1 })
        #expect(!buyer.far.isOpen)
        pair.world.run(for: .seconds(11))
        #expect(pair.leftovers == [])

        let metrics = pair.world.coordinator.metrics
        var said = journal.requests.map { "\($0.status) \($0.error ?? "–")" }
        for record in pair.world.environment.logRecords {
            for (name, value) in record.fields where ["failure", "status"].contains(name.description) {
                said.append("\(record.event) \(name) \(value)")
            }
        }
        said += metrics.requestsByModelAndStatus.map { "\($0.key.status): \($0.value)" }
        return said + ["dropped \(metrics.slowBuyersDropped)", "cancelled \(metrics.cancellations)"]
    }

    @Test func aSlowBuyerIsRecordedAsOneWhereverItConnects() {
        let here = Self.recordOfASlowBuyer(onFront: false)
        #expect(here.contains("dropped 1"))
        #expect(here.contains { $0.contains("buyer_too_slow") })
        #expect(Self.recordOfASlowBuyer(onFront: true) == here)
    }

    // MARK: A front that hangs

    private static let backlogLimit = 100_000

    private static func pairWithShortBacklog(journal: RecordingJournal? = nil) -> ShardPair {
        var settings = SimulatedWorld.settings
        settings.limits.frontBacklogByteCount = backlogLimit
        return ShardPair(settings: settings, journal: journal)
    }

    @Test func aHangingFrontLosesItsStreamsAndStopsNobodyElse() throws {
        let journal = RecordingJournal()
        let pair = Self.pairWithShortBacklog(journal: journal)
        let provider = pair.world.provider(slots: 8) { provider, request in
            if !request.body.contains("long") { return provider.answer(request) }
            for seq in 0..<1_000 {
                provider.sendChunk(request.id, seq: seq, data: "data: \(String(repeating: "x", count: 1_000))\n\n")
            }
        }
        let buyer = pair.buyer()
        buyer.complete(model: "test-model", stream: true, content: "long")
        #expect(pair.world.run(upTo: .seconds(1)) { buyer.latest?.status == 200 || provider.requests.count == 1 })
        pair.frontIsStuck = true
        #expect(pair.world.run(upTo: .seconds(5)) { provider.cancelled.count == 1 })
        let waiting = pair.waitingBatches.reduce(0) { $0 + $1.bytes.count }
        #expect(waiting > Self.backlogLimit / 2 && waiting <= Self.backlogLimit)
        #expect(pair.world.coordinator.metrics.frontBacklogDrops == 1)
        #expect(pair.world.coordinator.metrics.slowBuyersDropped == 1)
        #expect(journal.requests.map(\.error) == ["provider_error"])
        #expect(pair.world.environment.loggedEvents("request_failed").count == 1)

        let other = pair.world.buyer()
        other.complete(model: "test-model", stream: true)
        #expect(pair.world.wait(for: other))
        #expect(other.responses.first?.status == 200)

        pair.frontGoesOn()
        #expect(pair.world.run(upTo: .seconds(1)) { buyer.isOver })
        #expect(buyer.responses.isEmpty, "a cut stream passes for a whole one")
        let next = pair.buyer()
        next.complete(model: "test-model", stream: true)
        #expect(pair.world.wait(for: next))
        #expect(next.responses.first?.events.last == "[DONE]")
        pair.world.run(for: .seconds(11))
        #expect(pair.leftovers == [])
    }

    @Test func aFrontThatIsOnlyLateLosesNothing() throws {
        let pair = Self.pairWithShortBacklog()
        let provider = pair.world.provider { $0.answer($1, chunks: 200) }
        let buyer = pair.buyer()
        buyer.complete(model: "test-model", stream: true)
        pair.frontIsStuck = true
        #expect(pair.world.run(upTo: .seconds(1)) { !provider.requests.isEmpty })
        pair.world.run(for: .seconds(1))
        pair.frontGoesOn()
        #expect(pair.world.wait(for: buyer))
        #expect(try #require(buyer.responses.first).events.count == 201)
        #expect(pair.world.coordinator.metrics.frontBacklogDrops == 0)
        #expect(pair.leftovers == [])
    }

    /// Whole answers, and the end of one whose last chunk found no room.
    @Test(arguments: [false, true]) func anAnswerThatFindsNoRoomIsCutAndNotCutShort(stream: Bool) {
        let pair = Self.pairWithShortBacklog()
        let provider = pair.world.provider(slots: 2) { provider, request in
            provider.sendChunk(request.id, seq: 0, data: "data: \(String(repeating: "x", count: 60_000))\n\n")
            provider.sendEnd(request.id, chunks: 1)
        }
        let buyers = [pair.buyer(), pair.buyer()]
        for buyer in buyers { buyer.complete(model: "test-model", stream: stream) }
        pair.frontIsStuck = true
        #expect(pair.world.run(upTo: .seconds(1)) { provider.requests.count == 2 })
        pair.world.run(for: .seconds(1))
        pair.frontGoesOn()
        #expect(pair.world.run(upTo: .seconds(1)) { buyers.contains { $0.isOver } })
        #expect(buyers.map(\.responses.count).sorted() == [0, 1])
        #expect(pair.world.coordinator.metrics.frontBacklogDrops == 1)
        pair.world.run(for: .seconds(11))
        #expect(pair.leftovers == [])
    }

    /// The bound may be reached between any two pieces of an answer: none of them goes missing unseen.
    @Test func anAnswerIsWholeOrCutWhereverTheBoundIs() {
        var outcomes: Set<String> = []
        for byteCount in stride(from: Self.backlogLimit - 1_000, to: Self.backlogLimit, by: 20) {
            let pair = Self.pairWithShortBacklog()
            _ = pair.world.provider { provider, request in
                provider.sendChunk(
                    request.id, seq: 0, data: "data: \(String(repeating: "x", count: byteCount - 8))\n\n")
                provider.sendEnd(request.id, chunks: 1)
            }
            let buyer = pair.buyer()
            buyer.complete(model: "test-model", stream: true)
            #expect(pair.world.run(upTo: .seconds(1)) { buyer.responses.count == 1 || buyer.isOver })
            let drops = pair.world.coordinator.metrics.frontBacklogDrops
            if let response = buyer.responses.first {
                #expect(response.events.last == "[DONE]" && response.events.count == 2 && drops == 0)
                outcomes.insert("whole")
            } else {
                #expect(drops == 1)
                outcomes.insert(pair.world.coordinator.metrics.slowBuyersDropped == 1 ? "cut" : "cut at its end")
            }
        }
        #expect(outcomes == ["whole", "cut", "cut at its end"])
    }
}
