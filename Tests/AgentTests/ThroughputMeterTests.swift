import Testing

@testable import Agent

@Suite struct ThroughputMeterTests {
    @Test func beginsWithTheEstimateAndMoves() {
        var meter = ThroughputMeter(estimate: 20)
        #expect(meter.tokensPerSecond == 20)
        meter.served(tokenCount: 100, latency: .seconds(3), generation: .seconds(2))
        #expect(meter.tokensPerSecond == 50)
        meter.served(tokenCount: 100, latency: .seconds(1), generation: .seconds(1))
        #expect(meter.tokensPerSecond == 60)
    }

    @Test func intervalIsTakenOnce() {
        var meter = ThroughputMeter(estimate: 0)
        #expect(meter.takeInterval() == .init(requestsServed: 0))
        meter.served(tokenCount: 40, latency: .milliseconds(500), generation: .milliseconds(400))
        meter.served(tokenCount: 60, latency: .milliseconds(1500), generation: .milliseconds(600))
        #expect(
            meter.takeInterval()
                == .init(requestsServed: 2, averageLatencyMilliseconds: 1000, tokensPerSecond: 100))
        #expect(meter.takeInterval() == .init(requestsServed: 0))
    }

    @Test func shortOrInstantAnswersDoNotMeasure() {
        var meter = ThroughputMeter(estimate: 7)
        meter.served(tokenCount: 3, latency: .seconds(1), generation: .seconds(1))
        meter.served(tokenCount: 100, latency: .zero, generation: .zero)
        #expect(meter.tokensPerSecond == 7)
        #expect(meter.takeInterval() == .init(requestsServed: 2, averageLatencyMilliseconds: 500))
    }
}
