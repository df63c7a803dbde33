import Primitives

/// What a heartbeat says about speed: a moving estimate, and the figures since the last heartbeat.
///
/// Speed is what one buyer sees, tokens of one answer by the time from its first to its last, because that is how the
/// network compares providers; a provider that serves several at once produces more in total.
package struct ThroughputMeter: Sendable, Equatable {
    /// How much one answer moves the estimate: about the last ten count.
    static let weight = 0.2
    /// Answers shorter than this say more about the network than about the model.
    static let fewestTokens = 8

    /// Tokens per second of one answer, moving; the configured guess until there is a measurement.
    package private(set) var tokensPerSecond: Double
    /// How long an answer takes, moving; zero until there was one.
    package private(set) var latency = Duration.zero
    private var isMeasured = false
    private var servedCount = 0
    private var latencySum = Duration.zero
    private var tokenSum = 0
    private var generationSum = Duration.zero

    package init(estimate: Double) { tokensPerSecond = estimate }

    /// What happened since the last ``takeInterval()``.
    package struct Interval: Sendable, Equatable {
        package var requestsServed: Int
        /// Whole answers' mean duration, in milliseconds; nil when nothing was served.
        package var averageLatencyMilliseconds: Double?
        /// Tokens by time spent generating; nil when nothing measurable was served.
        package var tokensPerSecond: Double?
    }

    /// An answer is complete. `generation` is the time from its first byte to its last, or from the start when it came
    /// in one piece.
    package mutating func served(tokenCount: Int, latency: Duration, generation: Duration) {
        servedCount &+= 1
        latencySum += latency
        self.latency = self.latency == .zero ? latency : self.latency + (latency - self.latency) * Self.weight
        guard tokenCount >= Self.fewestTokens, generation > .zero else { return }
        tokenSum &+= tokenCount
        generationSum += generation
        let rate = Double(tokenCount) / generation.inSeconds
        tokensPerSecond = isMeasured ? tokensPerSecond + Self.weight * (rate - tokensPerSecond) : rate
        isMeasured = true
    }

    package mutating func takeInterval() -> Interval {
        defer {
            servedCount = 0
            latencySum = .zero
            tokenSum = 0
            generationSum = .zero
        }
        return Interval(
            requestsServed: servedCount,
            averageLatencyMilliseconds: servedCount > 0 ? latencySum.inSeconds * 1000 / Double(servedCount) : nil,
            tokensPerSecond: generationSum > .zero ? Double(tokenSum) / generationSum.inSeconds : nil)
    }
}
