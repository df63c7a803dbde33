import Testing

@testable import Agent

@Suite struct EngineHealthTests {
    @Test func picksTheFirstModelAndKeepsIt() {
        var health = EngineHealth(wanted: nil, seed: 1)
        #expect(health.modelsListed(["b", "a"]) == .cameUp(model: "b"))
        #expect(health.wanted == "b")
        #expect(health.modelsListed(["a", "b"]) == .none)
        #expect(health.modelsListed(["a"]) == .lostModel(available: ["a"]))
        #expect(health.modelsListed(["a"]) == .none)
        #expect(health.modelsListed(["B"]) == .cameUp(model: "B"))
    }

    @Test func validatesTheWantedModel() {
        var health = EngineHealth(wanted: "Qwen", seed: 1)
        #expect(health.modelsListed(["llama"]) == .lostModel(available: ["llama"]))
        #expect(!health.isUp)
        #expect(health.modelsListed(["llama", "qwen"]) == .cameUp(model: "qwen"))
        #expect(health.isUp)
    }

    @Test func goesDownOnceAndComesBack() {
        var health = EngineHealth(wanted: nil, seed: 1)
        #expect(health.failed("refused") == .wentDown(reason: "refused"))
        #expect(health.failed("refused again") == .none)
        #expect(health.modelsListed(["m"]) == .cameUp(model: "m"))
        #expect(health.failed("gone") == .wentDown(reason: "gone"))
        #expect(health.modelsListed([]) == .lostModel(available: []))
        #expect(health.failed("gone") == .wentDown(reason: "gone"))
    }

    @Test func asksCalmlyWhenUpAndBacksOffWhenDown() {
        var health = EngineHealth(wanted: nil, seed: 1)
        _ = health.failed("refused")
        for ceiling in [1, 2, 4, 8, 16, 30, 30] { #expect(health.nextProbeDelay() <= .seconds(ceiling)) }
        _ = health.modelsListed(["m"])
        #expect(health.nextProbeDelay() == EngineHealth.calmInterval)
        _ = health.failed("refused")
        #expect(health.nextProbeDelay() <= .seconds(1))
    }
}
