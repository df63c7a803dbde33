import JSON
import TestKit
import Testing

/// Worlds drawn from seeds; docs/testing.md says what is checked. A failure names the command that repeats it.
@Suite("Swarms")
struct SwarmTests {
    private static let seedsPerTest: UInt64 = 500

    @Test(arguments: 0..<5 as Range<UInt64>)
    func noSeedBreaksAnInvariant(_ part: UInt64) {
        let parser = JSONParser()
        let first = 1 + part * Self.seedsPerTest
        for seed in first..<first + Self.seedsPerTest {
            let outcome = SwarmPlan(seed: seed).run(parser: parser)
            guard let violation = outcome.violation else { continue }
            Issue.record(
                """
                \(violation)
                swift run trunkline-simulate \(outcome.plan.arguments) --trace
                \(outcome.lastEvents.suffix(20).joined(separator: "\n"))
                """)
            return
        }
    }

    @Test func aSeedGivesOneRun() {
        let parser = JSONParser()
        for seed in 1...20 as ClosedRange<UInt64> {
            let first = SwarmPlan(seed: seed).run(parser: parser)
            let second = SwarmPlan(seed: seed).run(parser: parser)
            #expect(first.tally.events == second.tally.events)
            #expect(first.tally.statuses == second.tally.statuses)
            #expect(first.tally.chunksDelivered == second.tally.chunksDelivered)
        }
    }

    /// A swarm in which a fault never strikes proves nothing about it.
    @Test func everyFaultStrikes() {
        let parser = JSONParser()
        var tally = SwarmTally()
        for seed in 5_001...5_700 as ClosedRange<UInt64> {
            var plan = SwarmPlan(seed: seed)
            if seed % 5 == 0 { plan.bringEverything() }
            let outcome = plan.run(parser: parser)
            tally.add(outcome.tally)
            if let violation = outcome.violation { Issue.record("seed \(seed), with everything: \(violation)") }
        }
        for fault in Fault.allCases { #expect(tally.count(of: fault) > 0, "\(fault.name) never struck") }
        #expect(tally.chunksDelivered > 1_000)
        for status in [200, 400, 404, 502, 503, 504] { #expect(tally.statuses[status, default: 0] > 0, "no \(status)") }
    }
}
