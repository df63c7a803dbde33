import Coordinator
import Environment
import Platform
import Primitives

/// What the store's thread does: waits for a tick, a full batch or a question, and writes.
///
///     no file ──open──▶ open ──a batch fails: locked, full──▶ open, the batch waits for the next tick
///        ▲                 │
///        └──anything else──┘     tried again after a pause that doubles up to half a minute
///
/// What could not be written stays in hand and goes first.
final class StoreWorker: @unchecked Sendable {
    // Safe to share: made in one thread and then used in the store's thread only.

    /// How often a failure that goes on is logged again.
    private static let reportInterval = Duration.seconds(60)
    private static let longestPause = Duration.seconds(30)
    private static let cleanUpInterval = Duration.seconds(3600)
    private static let snapshotRetention = Duration.seconds(7 * 86_400)
    private static let listingLimit = 10_000

    private let settings: Store.Settings
    private let inbox: Monitor<StoreInbox>
    private let log: @Sendable (LogRecord) -> Void
    private let notify: @Sendable (StoreNotice) -> Void

    private var file: OpenStore?
    private var nextOpening = MonotonicInstant.zero
    private var pause = Duration.zero
    private var nextCleanUp = MonotonicInstant.zero
    private var isFailing = false

    private var requests: ArraySlice<RequestRecord> = []
    private var facts = PendingFacts()

    /// What the owner knows; nil until something could be read.
    private(set) var records: StoredRecords?
    private var reported: (reason: String, at: MonotonicInstant)?
    private var reportedDrops: (count: UInt64, at: MonotonicInstant) = (0, .zero)

    init(
        _ settings: Store.Settings, _ inbox: Monitor<StoreInbox>, log: @escaping @Sendable (LogRecord) -> Void,
        notify: @escaping @Sendable (StoreNotice) -> Void
    ) {
        self.settings = settings
        self.inbox = inbox
        self.log = log
        self.notify = notify
    }

    /// The body of the thread. Returns when the store is stopped.
    func run() {
        var nextTick = currentInstant() + settings.flushInterval
        while true {
            let work = inbox.wait(until: nextTick) { [isFailing, settings] inbox in
                inbox.takeUrgentWork(batchCount: settings.batchCount, isFailing: isFailing)
            }
            let now = currentInstant()
            let isTick = now >= nextTick
            if isTick { nextTick = now + settings.flushInterval }
            attempt(now, insists: work.map { $0.isStopping } ?? false)
            if isTick { reportDrops(now) }
            guard let work else { continue }
            for question in work.questions { answer(question) }
            if work.isStopping { end() }
            inbox.withLock { $0.synchronized(work.synchronizationCount) }
            inbox.signal()
            if work.isStopping { return }
        }
    }

    // MARK: One attempt

    /// Opens the file if it is time to, writes what waits, and looks for what others have changed.
    /// - Parameter insists: opens the file even if its pause is not over.
    private func attempt(_ now: MonotonicInstant, insists: Bool) {
        do throws(DatabaseError) {
            if file == nil {
                guard insists || now >= nextOpening else { return }
                try open(now)
            }
            try writeAll()
            try lookForChanges()
            try cleanUp(now)
            succeeded()
        } catch {
            failed(error, now)
        }
    }

    /// Opens the file for the first time, in the thread that starts the store.
    func open() {
        do throws(DatabaseError) {
            try open(currentInstant())
        } catch {
            failed(error, currentInstant())
        }
    }

    private func open(_ now: MonotonicInstant) throws(DatabaseError) {
        let isFirst = !isFailing && records == nil
        file = try OpenStore(settings) { loaded in
            let known = records
            records = loaded
            if isFirst { return }
            guard let known else { return notify(.recordsLoaded(loaded)) }
            if known.tokens != loaded.tokens { notify(.tokensChanged(loaded.tokens)) }
        }
        pause = .zero
        nextCleanUp = now
    }

    private func writeAll() throws(DatabaseError) {
        repeat {
            if requests.isEmpty { requests = inbox.withLock { $0.takeRequests() }[...] }
            facts = inbox.withLock { [facts] in $0.takeFacts(joining: facts) }
            guard let file, !requests.isEmpty || !facts.isEmpty else { return }
            let batch = requests.prefix(settings.batchCount)
            var refusedCount = 0
            try file.write(batch, facts) { error in
                refusedCount += 1
                report(error, currentInstant())
            }
            let written = (requests: batch.count, facts: facts.count)
            requests = requests.dropFirst(batch.count)
            facts = PendingFacts()
            inbox.withLock { [refusedCount] inbox in
                inbox.written(requests: written.requests, facts: written.facts)
                for _ in 0..<refusedCount { inbox.failed() }
            }
            inbox.signal()
        } while !requests.isEmpty || inbox.withLock { $0.requests.count >= settings.batchCount }
    }

    private func lookForChanges() throws(DatabaseError) {
        guard let tokens = try file?.changedTokens(), tokens != records?.tokens else { return }
        records?.tokens = tokens
        notify(.tokensChanged(tokens))
    }

    private func cleanUp(_ now: MonotonicInstant) throws(DatabaseError) {
        guard let file, now >= nextCleanUp else { return }
        let forgotten = try file.cleanUp(
            retentionStart: settings.retentionStart, snapshotStart: settings.wallClock() - Self.snapshotRetention)
        nextCleanUp = now + Self.cleanUpInterval
        if !forgotten.isEmpty { notify(.providersForgotten(forgotten)) }
    }

    private func answer(_ question: UInt64) {
        var answer: [ProvisionalRecord]?
        do throws(DatabaseError) {
            answer = try file?.provisionalRecords(limit: Self.listingLimit)
        } catch {
            failed(error, currentInstant())
        }
        notify(.provisionalListed(question: question, answer))
    }

    private func end() {
        // The last connection to the file folds its write-ahead log into it.
        file = nil
        requests = []
        facts = PendingFacts()
        let lost = inbox.withLock { $0.giveUp() }
        if lost > 0 { log(LogRecord(.error, "storage_rows_lost", [("count", .int(lost))])) }
    }

    // MARK: Health

    private func succeeded() {
        guard isFailing else { return }
        isFailing = false
        reported = nil
        log(LogRecord(.info, "storage_recovered", [("path", .string(settings.path))]))
        inbox.withLock { $0.statusChanged(to: .ok) }
        inbox.signal()
    }

    private func failed(_ error: DatabaseError, _ now: MonotonicInstant) {
        isFailing = true
        switch error.kind {
        case .locked, .full, .row:
            // The connection is as good as another one would be.
            break
        case .readOnly, .corrupt, .unavailable, .inputOutput, .newerSchema, .other:
            file = nil
        }
        if file == nil {
            pause = min(max(pause * 2, settings.flushInterval), Self.longestPause)
            nextOpening = now + pause
        }
        inbox.withLock { inbox in
            inbox.failed()
            inbox.statusChanged(to: .degraded(reason: error.kind.rawValue))
        }
        inbox.signal()
        report(error, now)
    }

    private func report(_ error: DatabaseError, _ now: MonotonicInstant) {
        let reason = error.kind.rawValue
        if let reported, reported.reason == reason, now < reported.at + Self.reportInterval { return }
        reported = (reason, now)
        log(
            LogRecord(
                .error, "storage_failed",
                [
                    ("path", .string(settings.path)), ("reason", .string(reason)), ("error", .string(error.message)),
                    ("code", .int(Int(error.code))),
                    ("queued", .int(inbox.withLock { $0.health.queuedCount })),
                ]))
    }

    private func reportDrops(_ now: MonotonicInstant) {
        let health = inbox.withLock { $0.health }
        guard health.droppedCount > reportedDrops.count, now >= reportedDrops.at + .seconds(10) else { return }
        log(
            LogRecord(
                .warn, "storage_rows_dropped",
                [
                    ("count", .int(Int(clamping: health.droppedCount - reportedDrops.count))),
                    ("queued", .int(health.queuedCount)),
                ]))
        reportedDrops = (health.droppedCount, now)
    }
}
