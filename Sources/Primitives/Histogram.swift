/// Counts durations in fixed buckets, as Prometheus histograms do. Observing costs a short search, no memory.
public struct Histogram: Sendable, Equatable {
    /// Upper bounds in seconds, ascending; the bucket above the last is implied.
    public let bounds: [Double]
    /// Per bucket, not cumulated; one more than ``bounds``.
    public private(set) var counts: [UInt64]
    /// Seconds.
    public private(set) var sum = 0.0
    public private(set) var count: UInt64 = 0

    private let boundsInNanoseconds: [Int64]

    public init(bounds: [Double]) {
        self.bounds = bounds
        boundsInNanoseconds = bounds.map { Int64($0 * 1e9) }
        counts = Array(repeating: 0, count: bounds.count + 1)
    }

    public mutating func observe(_ duration: Duration) {
        observe(nanoseconds: duration.inNanoseconds)
    }

    @inline(__always)
    public mutating func observe(nanoseconds: Int64) {
        var bucket = 0
        while bucket < boundsInNanoseconds.count, nanoseconds > boundsInNanoseconds[bucket] { bucket += 1 }
        counts[bucket] &+= 1
        count &+= 1
        sum += Double(nanoseconds) / 1e9
    }

    /// Counts what `other` has counted, in the buckets of both; one with other bounds counts for nothing.
    public mutating func add(_ other: Histogram) {
        guard bounds == other.bounds else { return }
        for bucket in counts.indices { counts[bucket] &+= other.counts[bucket] }
        count &+= other.count
        sum += other.sum
    }

    /// From half a millisecond to five minutes: answers of language models.
    public static let answerSeconds: [Double] = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300,
    ]
    /// Between chunks: a hundredth of a second is a quick model, a second a stall.
    public static let gapSeconds: [Double] = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]
    /// From ten microseconds to a second: what the coordinator itself adds.
    public static let overheadSeconds: [Double] = [
        0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.01, 0.1, 1,
    ]
}
