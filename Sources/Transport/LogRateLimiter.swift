import Environment
import Primitives

/// Lets so many records of one event through per window and counts the rest. Events are names in the source, so there
/// are few.
struct LogRateLimiter {
    static let window = Duration.seconds(1)

    private struct Window {
        let event: StaticString
        var end: MonotonicInstant
        var count = 0
        var suppressedCount = 0
    }

    let recordsPerSecond: Int
    /// By where the name stands in the program: a name is written down once, and hashing it again and again costs.
    private var windows: [UnsafePointer<UInt8>: Window] = [:]
    private var suppressedEventCount = 0
    /// No window with something to report ends earlier.
    private var earliestEnd = MonotonicInstant.distantFuture

    init(recordsPerSecond: Int) { self.recordsPerSecond = recordsPerSecond }

    /// True while a summary is still to be written.
    var hasSuppressed: Bool { suppressedEventCount > 0 }

    mutating func admits(_ event: StaticString, now: MonotonicInstant) -> Bool {
        var window = windows[event.utf8Start] ?? Window(event: event, end: now + Self.window)
        if window.end <= now, window.suppressedCount == 0 { window = Window(event: event, end: now + Self.window) }
        let isAdmitted = window.count < recordsPerSecond
        if isAdmitted {
            window.count += 1
        } else {
            if window.suppressedCount == 0 {
                suppressedEventCount += 1
                earliestEnd = min(earliestEnd, window.end)
            }
            window.suppressedCount += 1
        }
        windows[event.utf8Start] = window
        return isAdmitted
    }

    /// Summaries of the windows that have ended; to be asked before ``admits(_:now:)``.
    mutating func takeEnded(now: MonotonicInstant) -> [LogRecord] {
        guard earliestEnd <= now else { return [] }
        return take { $0 <= now }
    }

    /// Summaries of everything, at the end.
    mutating func takeAll() -> [LogRecord] { take { _ in true } }

    private mutating func take(_ isDue: (MonotonicInstant) -> Bool) -> [LogRecord] {
        var records: [LogRecord] = []
        earliestEnd = .distantFuture
        for (key, window) in windows where window.suppressedCount > 0 {
            guard isDue(window.end) else {
                earliestEnd = min(earliestEnd, window.end)
                continue
            }
            windows[key] = nil
            suppressedEventCount -= 1
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
