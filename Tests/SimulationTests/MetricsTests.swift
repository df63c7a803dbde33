import Coordinator
import Primitives
import TestKit
import Testing

@Suite("The metrics page")
struct MetricsTests {
    @Test func itCountsWhatHappened() throws {
        let world = SimulatedWorld()
        let provider = world.provider("m1", model: "Test \\\"Model\\\"\\\\") { $0.answer($1, chunks: 5) }
        let buyer = world.buyer()
        buyer.complete(model: "test \\\"model\\\"\\\\", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 200)
        provider.sendPing([1])
        let scraper = world.operatorConnection()
        world.run(for: .seconds(1))
        scraper.get("/metrics", fields: "Authorization: Bearer operator-key\r\n")
        #expect(world.wait(for: scraper))
        let page = try #require(scraper.responses.first)
        #expect(page.status == 200)
        let lines = Set(page.text.split(separator: "\n"))
        #expect(lines.contains("trunkline_requests_total{model=\"Test \\\"Model\\\"\\\\\",status=\"200\"} 1"))
        #expect(lines.contains("trunkline_chunks_relayed_total 5"))
        #expect(lines.contains("trunkline_pongs_sent_total 1"))
        #expect(lines.contains("trunkline_providers{state=\"ready\"} 1"))
        #expect(lines.contains("trunkline_providers_connected{tier=\"provisional\"} 1"))
        #expect(lines.contains("trunkline_requests_in_flight 0"))
        #expect(lines.contains("trunkline_time_to_first_byte_seconds_count 1"))
        #expect(lines.contains("trunkline_inter_chunk_gap_seconds_count 4"))
        #expect(lines.contains("trunkline_tokens_total{kind=\"completion\"} 5"))
    }

    @Test func itCountsWhatNobodyCouldTake() throws {
        let world = SimulatedWorld()
        let provider = world.provider("m1", model: "Known")
        provider.near.close()
        let buyer = world.buyer()
        for model in ["known", "invented-1", "invented-2"] { buyer.complete(model: model, stream: false) }
        #expect(world.wait(for: buyer, answers: 3))
        #expect(buyer.responses.map(\.status) == [503, 404, 404])
        let scraper = world.operatorConnection()
        scraper.get("/metrics", fields: "Authorization: Bearer operator-key\r\n")
        #expect(world.wait(for: scraper))
        let lines = Set(try #require(scraper.responses.first).text.split(separator: "\n"))
        #expect(lines.contains("trunkline_requests_total{model=\"Known\",status=\"503\"} 1"))
        #expect(lines.contains("trunkline_requests_total{model=\"unknown\",status=\"404\"} 2"))
        #expect(!lines.contains { $0.contains("invented") })
    }

    @Test func itWantsTheKey() {
        let world = SimulatedWorld()
        let scraper = world.operatorConnection()
        scraper.get("/metrics")
        #expect(world.wait(for: scraper))
        #expect(scraper.responses.first?.status == 401)
    }
}
