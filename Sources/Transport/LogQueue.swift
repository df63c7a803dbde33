import Environment
import Primitives

/// Between those who log and the thread that writes: admits, keeps and counts. Used under a lock, for moments.
struct LogQueue: Sendable {
    struct Entry: Sendable {
        let record: LogRecord
        let time: WallTime
    }

    /// What the writer takes at once.
    struct Work: Sendable {
        let entries: [Entry]
        let summaries: [LogRecord]
        let droppedCount: Int
        /// When the writer has to look again, whoever logs meanwhile.
        let nextSummary: MonotonicInstant
        /// Nothing follows.
        let isLast: Bool
    }

    private enum Life { case running, stopping, stopped }

    private let limit: Int
    private var limiter: LogRateLimiter
    private var entries: [Entry] = []
    /// Not reported in a line yet.
    private var droppedCount = 0
    private(set) var droppedInAll: UInt64 = 0
    private var life = Life.running

    init(limit: Int, recordsPerSecond: Int) {
        self.limit = limit
        limiter = LogRateLimiter(recordsPerSecond: recordsPerSecond)
    }

    /// Asked before a record is made; counts one that is too many of its event. The writer is to be woken for a summary
    /// that is due, or due earlier than what it sleeps for.
    mutating func admit(_ event: StaticString, now: MonotonicInstant) -> (isAdmitted: Bool, wakesWriter: Bool) {
        guard case .running = life else { return (false, false) }
        let planned = limiter.nextSummary
        let isAdmitted = limiter.admits(event, now: now)
        return (isAdmitted, limiter.nextSummary < planned)
    }

    mutating func add(_ record: LogRecord, _ time: WallTime) {
        guard case .running = life else { return }
        guard entries.count < limit else {
            droppedCount += 1
            droppedInAll += 1
            return
        }
        entries.append(Entry(record: record, time: time))
    }

    mutating func stop() {
        if case .running = life { life = .stopping }
    }

    /// nil while there is nothing to write, and nothing to look for before `wakeUp`.
    mutating func takeWork(now: MonotonicInstant, wakeUp: MonotonicInstant) -> Work? {
        let isLast: Bool
        switch life {
        case .running:
            let isIdle = entries.isEmpty && droppedCount == 0
            if isIdle && limiter.nextSummary > now && limiter.nextSummary >= wakeUp { return nil }
            isLast = false
        case .stopping, .stopped:
            life = .stopped
            isLast = true
        }
        let summaries = isLast ? limiter.takeAll() : limiter.takeEnded(now: now)
        defer {
            entries = []
            droppedCount = 0
        }
        return Work(
            entries: entries, summaries: summaries, droppedCount: droppedCount, nextSummary: limiter.nextSummary,
            isLast: isLast)
    }
}
