/// A point on the clock that only moves forward, in nanoseconds since an arbitrary start.
///
/// The driver says what time it is; nothing below the drivers reads a clock.
public struct MonotonicInstant: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = MonotonicInstant(nanoseconds: 0)
    /// Later than anything that happens.
    public static let distantFuture = MonotonicInstant(nanoseconds: .max)

    /// Saturates instead of overflowing.
    public func advanced(by duration: Duration) -> MonotonicInstant {
        let (sum, overflow) = nanoseconds.addingReportingOverflow(duration.inNanoseconds)
        return MonotonicInstant(nanoseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    public func duration(to other: MonotonicInstant) -> Duration {
        .nanoseconds(other.nanoseconds.subtractingReportingOverflow(nanoseconds).partialValue)
    }

    public static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    public static func + (instant: MonotonicInstant, duration: Duration) -> MonotonicInstant {
        instant.advanced(by: duration)
    }

    public static func - (later: MonotonicInstant, earlier: MonotonicInstant) -> Duration {
        earlier.duration(to: later)
    }
}

/// The earlier of two instants that may be missing.
public func earliest(_ first: MonotonicInstant?, _ second: MonotonicInstant?) -> MonotonicInstant? {
    guard let first, let second else { return first ?? second }
    return min(first, second)
}

/// A calendar time, in nanoseconds since 1970-01-01 UTC. It may jump; deadlines never use it.
public struct WallTime: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// Whole seconds since 1970, rounded down.
    public var unixSeconds: Int64 {
        nanoseconds / 1_000_000_000 - (nanoseconds % 1_000_000_000 < 0 ? 1 : 0)
    }

    public static func < (left: WallTime, right: WallTime) -> Bool { left.nanoseconds < right.nanoseconds }

    public static func + (time: WallTime, duration: Duration) -> WallTime {
        WallTime(nanoseconds: time.nanoseconds.addingReportingOverflow(duration.inNanoseconds).partialValue)
    }

    package static func - (time: WallTime, duration: Duration) -> WallTime {
        WallTime(nanoseconds: time.nanoseconds.subtractingReportingOverflow(duration.inNanoseconds).partialValue)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at the ends of Int64 (292 years).
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, carried) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }

    public var inSeconds: Double { Double(inNanoseconds) / 1e9 }
    public var inMilliseconds: Int64 { inNanoseconds / 1_000_000 }
}
