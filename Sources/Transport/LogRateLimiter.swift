import Environment
import Primitives

/// Lets so many records of one event through per window and counts the rest. Events are names in the source, so there
/// are few.
struct LogRateLimiter: Sendable {
    static let window = Duration.seconds(1)

    private struct Window: Sendable {
        let event: StaticString
        var end: MonotonicInstant
        var count = 0
        var suppressedCount = 0
    }

    let recordsPerSecond: Int
    /// By where the name stands in the program, which spares hashing it; a literal has an address. A name that is written
    /// down in two places may have two windows.
    private var windows: [UInt: Window] = [:]
    /// When the first window ends that has something to report.
    private(set) var nextSummary = MonotonicInstant.distantFuture

    init(recordsPerSecond: Int) { self.recordsPerSecond = recordsPerSecond }

    /// A window that has ended and whose summary nobody has taken goes on suppressing, and counting.
    mutating func admits(_ event: StaticString, now: MonotonicInstant) -> Bool {
        let place = UInt(bitPattern: event.utf8Start)
        var window = windows[place] ?? Window(event: event, end: now + Self.window)
        if window.end <= now, window.suppressedCount == 0 { window = Window(event: event, end: now + Self.window) }
        let isAdmitted = window.count < recordsPerSecond
        if isAdmitted {
            window.count += 1
        } else {
            if window.suppressedCount == 0 { nextSummary = min(nextSummary, window.end) }
            window.suppressedCount += 1
        }
        windows[place] = window
        return isAdmitted
    }

    /// Summaries of the windows that have ended.
    mutating func takeEnded(now: MonotonicInstant) -> [LogRecord] {
        guard nextSummary <= now else { return [] }
        return take { $0 <= now }
    }

    /// Summaries of everything, at the end.
    mutating func takeAll() -> [LogRecord] { take { _ in true } }

    private mutating func take(_ isDue: (MonotonicInstant) -> Bool) -> [LogRecord] {
        var records: [LogRecord] = []
        nextSummary = .distantFuture
        for (place, window) in windows where window.suppressedCount > 0 {
            guard isDue(window.end) else {
                nextSummary = min(nextSummary, window.end)
                continue
            }
            windows[place] = nil
            records.append(
                LogRecord(
                    .warn, "log_records_suppressed",
                    [
                        ("suppressed_event", .string(window.event.description)),
                        ("suppressed", .int(window.suppressedCount)),
                    ]))
        }
        return records
    }
}
