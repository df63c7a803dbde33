import Coordinator
import Environment
import HTTPCodec
import Primitives
import TestKit
import Testing

@Suite("Metrics over shards")
struct ShardMetricsTests {
    @Test func theSumLeavesNothingOut() {
        var one = CoordinatorMetrics()
        for counter in CoordinatorMetrics.counters { one[keyPath: counter] = 3 }
        for histogram in CoordinatorMetrics.histograms { one[keyPath: histogram].observe(.seconds(2)) }
        one.requestsByModelAndStatus = [CoordinatorMetrics.ModelAndStatus(model: "m", status: 200): 3]
        one.httpRefusals = [400: 3]
        one.closeCodesSent = [1000: 3]
        one.closeCodesReceived = [1001: 3]
        var sum = one
        sum.add(one)
        for (label, value) in Mirror(reflecting: sum).children {
            switch value {
            case let count as UInt64: #expect(count == 6, "\(label ?? "")")
            case let histogram as Histogram:
                #expect(histogram.count == 2 && histogram.sum == 4, "\(label ?? "")")
                #expect(histogram.counts.reduce(0, +) == 2 && histogram.counts.contains(2), "\(label ?? "")")
            case let counts as [UInt16: UInt64]: #expect(Array(counts.values) == [6], "\(label ?? "")")
            case let counts as [Int: UInt64]: #expect(Array(counts.values) == [6], "\(label ?? "")")
            case let counts as [CoordinatorMetrics.ModelAndStatus: UInt64]:
                #expect(Array(counts.values) == [6], "\(label ?? "")")
            default: Issue.record("\(label ?? "") is of a kind that the sum does not know")
            }
        }
    }

    // MARK: The same traffic

    static func page(of pair: ShardPair) -> [Substring] {
        let scraper = pair.world.operatorConnection()
        scraper.get("/metrics", fields: "Authorization: Bearer operator-key\r\n")
        #expect(pair.world.wait(for: scraper))
        return scraper.responses.first?.text.split(separator: "\n") ?? []
    }

    /// Each kind of end that a buyer can come to.
    private static func pageAfterTraffic(onFront: Bool) -> [Substring] {
        var settings = SimulatedWorld.settings
        settings.limits.bufferedByteCountPerRequest = 128 * 1024
        settings.limits.http.bodyByteCount = 10_000
        let pair = ShardPair(settings: settings)
        let world = pair.world
        let provider = world.provider(slots: 8) { provider, request in
            if request.body.contains("silence") { return }
            if request.body.contains("flood") {
                for seq in 0..<1_000 {
                    provider.sendChunk(request.id, seq: seq, data: "data: \(String(repeating: "x", count: 1_000))\n\n")
                }
            } else {
                provider.answer(request, chunks: 5)
            }
        }
        func buyer() -> SimulatedBuyer { onFront ? pair.buyer() : world.buyer() }
        func answered(_ ask: (SimulatedBuyer) -> Void) {
            let buyer = buyer()
            ask(buyer)
            #expect(world.wait(for: buyer))
        }
        answered { $0.send("NONSENSE\r\n\r\n") }
        answered { $0.get("/nowhere") }
        answered { $0.get("/v1/chat/completions") }
        answered { $0.get("/v1/models") }
        answered { $0.post("{") }
        answered { $0.post(String(repeating: "x", count: 10_001)) }
        answered { $0.send("GET /v1/models HTTP/1.1\r\n") }
        answered { $0.complete(model: "nobody-has-it", stream: true) }
        answered { $0.complete(model: "test-model", stream: false) }
        answered { $0.complete(model: "test-model", stream: true) }

        let leaver = buyer()
        leaver.complete(model: "test-model", stream: true, content: "silence")
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 3 })
        leaver.leave()
        #expect(world.run(upTo: .seconds(1)) { provider.cancelled.count == 1 })

        let slow = buyer()
        slow.complete(model: "test-model", stream: true, content: "flood")
        slow.far.outgoing.isStalled = true
        slow.far.outgoing.capacity = 64 * 1024
        #expect(world.run(upTo: .seconds(1)) { provider.cancelled.count == 2 })

        let stalled = buyer()
        stalled.far.outgoing.isStalled = true
        stalled.far.outgoing.capacity = 100
        stalled.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(61)) { !stalled.far.isOpen })

        let held = buyer()
        held.send("POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{\"half\":")
        world.run(for: .seconds(1))
        return page(of: pair)
    }

    @Test func theSameTrafficMakesTheSamePageOnEitherShard() {
        let here = Self.pageAfterTraffic(onFront: false)
        for line in [
            "trunkline_http_refusals_total{status=\"400\"} 2", "trunkline_http_refusals_total{status=\"404\"} 1",
            "trunkline_http_refusals_total{status=\"405\"} 1", "trunkline_http_refusals_total{status=\"408\"} 1",
            "trunkline_http_refusals_total{status=\"413\"} 1", "trunkline_slow_buyers_dropped_total 1",
            "trunkline_buyer_write_deadline_drops_total 1", "trunkline_request_body_bytes 8", "trunkline_shards 2",
            "trunkline_requests_total{model=\"test-model\",status=\"499\"} 1",
        ] {
            #expect(here.contains(line[...]), "\(line)")
        }
        // The way between the shards takes its time, in which more chunks come for a buyer who is cut.
        let differing = ["_seconds_bucket", "_seconds_sum", "uptime", "trunkline_inter_chunk_gap", "trunkline_chunks_"]
        func comparable(_ page: [Substring]) -> [Substring] {
            page.filter { line in !differing.contains { line.contains($0) } }
        }
        #expect(comparable(Self.pageAfterTraffic(onFront: true)) == comparable(here))
    }

    // MARK: A front that hangs

    @Test func aHangingFrontIsShownAndDoesNotHideThePage() {
        let pair = ShardPair()
        let buyer = pair.buyer()
        buyer.get("/nowhere")
        #expect(pair.world.wait(for: buyer))
        #expect(Self.page(of: pair).contains("trunkline_shards_silent 0"))

        pair.frontIsStuck = true
        for _ in 0..<3 {
            let before = pair.world.environment.now
            let page = Self.page(of: pair)
            #expect(pair.world.environment.now - before < .seconds(2))
            #expect(page.contains("trunkline_shards_silent 1"))
            #expect(page.contains("trunkline_http_refusals_total{status=\"404\"} 1"), "what it said last is lost")
        }
        #expect(pair.waitingBatches.count == 1, "it was asked again while it did not answer")

        pair.frontGoesOn()
        let next = pair.buyer()
        next.get("/nowhere")
        #expect(pair.world.wait(for: next))
        let page = Self.page(of: pair)
        #expect(page.contains("trunkline_shards_silent 0"))
        #expect(page.contains("trunkline_http_refusals_total{status=\"404\"} 2"))
    }

    /// What is sent to a front that does not serve yet is lost, so nothing is.
    @Test func aFrontThatDoesNotServeYetIsSilentUntilItDoes() {
        let pair = ShardPair(frontBegins: false)
        pair.frontIsStuck = true
        #expect(Self.page(of: pair).contains("trunkline_shards_silent 1"))
        #expect(pair.waitingBatches.isEmpty)

        pair.frontIsStuck = false
        pair.front.begin()
        pair.world.run(for: .milliseconds(1))
        #expect(Self.page(of: pair).contains("trunkline_shards_silent 0"))
    }

    @Test func aScraperMayLeaveBeforeThePageIsThere() {
        let pair = ShardPair()
        pair.frontIsStuck = true
        let scraper = pair.world.operatorConnection()
        scraper.get("/metrics", fields: "Authorization: Bearer operator-key\r\n")
        pair.world.run(for: .milliseconds(100))
        scraper.leave()
        pair.world.run(for: .seconds(2))
        pair.frontGoesOn()
        #expect(Self.page(of: pair).contains("trunkline_shards_silent 0"))
        #expect(pair.world.coordinator.httpConnectionCount <= 1)
    }
}
