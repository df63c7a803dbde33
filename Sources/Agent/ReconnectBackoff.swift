import Primitives

/// How long to wait before the next try: the ceiling doubles from ``minimum`` to ``maximum``, and the wait is a random
/// share of it ("full jitter"), so that many agents that lost the same coordinator do not return together.
///
/// No wait is shorter than ``floor``, or one draw in a hundred would hammer a coordinator that is starting.
package struct ReconnectBackoff: Sendable {
    package static let floor = Duration.milliseconds(100)

    package let minimum: Duration
    package let maximum: Duration
    /// Tries since the last ``succeeded()``.
    package private(set) var failureCount = 0
    private var random: SeededRandom

    package init(minimum: Duration = .seconds(1), maximum: Duration = .seconds(60), seed: UInt64) {
        self.minimum = minimum
        self.maximum = maximum
        random = SeededRandom(seed: seed)
    }

    /// The longest wait that ``failed()`` may answer next.
    package var ceiling: Duration {
        // 2^16 seconds is far above any maximum; the shift stays defined after years of failures.
        let doubled = minimum.inNanoseconds.multipliedReportingOverflow(by: 1 << Int64(min(failureCount, 16)))
        return doubled.overflow ? maximum : min(.nanoseconds(doubled.partialValue), maximum)
    }

    /// A try failed, or what it brought was lost: answers how long to wait before the next.
    package mutating func failed() -> Duration {
        let longest = ceiling
        if failureCount < 1_000_000 { failureCount += 1 }
        return .nanoseconds(
            Int64.random(in: min(Self.floor, longest).inNanoseconds...longest.inNanoseconds, using: &random))
    }

    /// What was reached has proved to last; the next wait is short again.
    package mutating func succeeded() { failureCount = 0 }
}
