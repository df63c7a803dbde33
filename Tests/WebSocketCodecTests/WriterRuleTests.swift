import Testing

/// The writer rule, and the proof that its tests can fail.
@Suite struct WriterRuleTests {
    @Test(arguments: WriterScenario.allCases)
    func productKeepsTheRule(scenario: WriterScenario) {
        #expect(scenario.run(.product) == [])
    }

    @Test(arguments: 2..<60)
    func productKeepsTheRuleUnderEverySeed(seed: UInt64) {
        for scenario in [WriterScenario.flood, .floodWithBackpressure, .closeBehindQueue] {
            #expect(scenario.run(.product, seed: seed) == [], "\(scenario)")
        }
    }

    /// The harness is no echo of the product: another right writer passes it too.
    @Test(arguments: WriterScenario.allCases)
    func anotherRightWriterPasses(scenario: WriterScenario) {
        #expect(scenario.run(.array(nil)) == [])
    }

    /// For each defect the scenes that must see it, and as what; it may show in others as well.
    @Test(arguments: [
        (ArrayWriter.Defect.interleavesPong, WriterScenario.flood, "malformed"),
        (.interleavesPong, .floodWithBackpressure, "malformed"),
        (.keepsStaleDeadline, .idle, "ended"),
        (.dropsPongs, .flood, "pongsMissing"),
        (.dropsPongs, .closeBehindQueue, "pongsMissing"),
        (.sendsPongsTwice, .flood, "pongsUnasked"),
        (.extendsDeadlineOnProgress, .tricklingReader, "notEnded"),
        (.hasNoDeadline, .stuckPeer, "notEnded"),
        (.hasNoDeadline, .tricklingReader, "notEnded"),
        (.letsTextFollowClose, .nothingAfterClose, "malformed(\"afterClose"),
        (.letsCloseOvertake, .closeBehindQueue, "textsDiffer"),
        (.losesCloseReason, .closeWithAnswer, "unexpectedClose"),
        (.neverEndsAfterClose, .closeBehindQueue, "notEnded"),
        (.refusesMessage64, .backpressure, "refused(message: 64)"),
        (.acceptsMessage65, .backpressure, "acceptedTooMany(message: 65)"),
        (.reordersTexts, .flood, "textsOutOfOrder"),
        (.writesWhileInFlight, .stuckPeer, "writeRule"),
    ])
    func wrongWriterIsCaught(defect: ArrayWriter.Defect, by scenario: WriterScenario, as kind: String) {
        let faults = scenario.run(.array(defect))
        #expect(faults.contains { "\($0)".hasPrefix(kind) }, "\(faults)")
    }

    @Test func everyDefectIsCaught() {
        for defect in ArrayWriter.Defect.allCases {
            let catchers = WriterScenario.allCases.filter { $0.run(.array(defect)) != [] }
            #expect(!catchers.isEmpty, "\(defect)")
        }
    }
}
