package import Coordinator
package import Environment
import Platform
package import Primitives

/// The coordinator's SQLite file, written by a thread of its own (docs/protocol.md, section 12).
///
///     loop ─▶ bounded queue ─▶ store's thread ─▶ one transaction per second or 500 rows
///     loop ◀─ notices ◀──────── store's thread ◀─ what other processes changed
///
/// Nothing here waits for a disk but ``start(_:log:notify:)``, ``synchronize()`` and ``stop()``. A file that is locked,
/// full, read-only, damaged or gone makes the store degraded: it keeps what the queue holds, says so in ``health`` and the
/// log, and goes on trying. Must be stopped: until then its thread keeps it alive.
package final class Store: Sendable {
    package struct Settings: Sendable {
        package var path: String
        /// The longest time that a row waits before it is written.
        package var flushInterval = Duration.seconds(1)
        /// Rows of one transaction; so many waiting are written at once.
        package var batchCount = 500
        /// Rows of the request log that wait at most; more are dropped and counted.
        package var queueLimit = 10_000
        /// How long another connection's lock is waited for.
        package var busyTimeout = Duration.seconds(2)
        /// How long a provisional provider is remembered after it was last seen.
        package var provisionalRetention = Duration.seconds(30 * 86_400)
        package var wallClock: @Sendable () -> WallTime = currentWallTime
        /// Run on every connection: `max_page_count = 1000`.
        package var pragmas: [String] = []

        package init(path: String) { self.path = path }

        var retentionStart: WallTime { wallClock() - provisionalRetention }
    }

    private let settings: Settings
    private let inbox: Monitor<StoreInbox>
    private let thread: Monitor<NamedThread?>

    /// What the file said when the store was started; nil if it could not be read. ``StoreNotice/recordsLoaded(_:)``
    /// follows then as soon as it can.
    package let records: StoredRecords?

    private init(_ settings: Settings, _ inbox: Monitor<StoreInbox>, _ worker: StoreWorker) {
        self.settings = settings
        self.inbox = inbox
        records = worker.records
        thread = Monitor(try? NamedThread(name: "store") { worker.run() })
    }

    /// Opens the file, reads it and starts the thread. Waits at most ``Settings/busyTimeout`` for a lock.
    ///
    /// - Parameters:
    ///   - log: called in the store's thread.
    ///   - notify: called in the store's thread with what the loop should know; it must only pass it on.
    package static func start(
        _ settings: Settings, log: @escaping @Sendable (LogRecord) -> Void,
        notify: @escaping @Sendable (StoreNotice) -> Void
    ) -> Store {
        let inbox = Monitor(StoreInbox())
        let worker = StoreWorker(settings, inbox, log: log, notify: notify)
        worker.open()
        let store = Store(settings, inbox, worker)
        if store.thread.withLock({ $0 == nil }) {
            inbox.withLock { $0.statusChanged(to: .degraded(reason: "no_thread")) }
            log(LogRecord(.error, "storage_failed", [("reason", "no_thread")]))
        }
        return store
    }

    // MARK: From the loop; none of these waits

    package func requestFinished(_ record: RequestRecord) {
        let isFull = inbox.withLock { inbox in
            inbox.add(record, limit: settings.queueLimit)
            // Once, when the batch is complete: what comes behind it is seen by the same turn of the thread.
            return inbox.requests.count == settings.batchCount
        }
        if isFull { inbox.signal() }
    }

    package func providerSeen(_ sighting: ProviderSighting) { add { $0.add(sighting) } }

    package func providerPromoted(_ providerID: String, at time: WallTime) {
        add { $0.add(.promoted(at: time), about: providerID) }
    }

    package func providerRejected(_ providerID: String, reason: String?, at time: WallTime) {
        add { $0.add(.rejected(reason: reason, at: time), about: providerID) }
    }

    package func tokenUsed(_ id: Int64, at time: WallTime) { add { $0.add(tokenUse: time, of: id) } }

    package func poolSnapshot(_ json: [UInt8], at time: WallTime) { add { $0.add(snapshot: json, at: time) } }

    private func add(_ change: (inout PendingFacts) -> Void) { inbox.withLock { $0.add(change) } }

    /// Asks for every provisional provider on record; ``StoreNotice/provisionalListed(question:_:)`` answers.
    /// - Returns: false when too many questions wait already; no answer follows.
    package func listProvisional(_ question: UInt64) -> Bool {
        defer { inbox.signal() }
        return inbox.withLock { $0.ask(question) }
    }

    package var health: JournalHealth { inbox.withLock { $0.health } }

    // MARK: These wait

    /// Returns when what was given before has been written, or could not be.
    package func synchronize() {
        let number = inbox.withLock { $0.requestSynchronization() }
        inbox.signal()
        _ = wait(until: .distantFuture) { $0.finishedSynchronizationCount >= number || $0.isStopping }
    }

    /// Returns when `condition` holds for the health, or after `limit`; tells whether it holds.
    func wait(upTo limit: Duration, until condition: (JournalHealth) -> Bool) -> Bool {
        wait(until: currentInstant() + limit) { condition($0.health) }
    }

    private func wait(until deadline: MonotonicInstant, _ condition: (StoreInbox) -> Bool) -> Bool {
        inbox.wait(until: deadline) { condition($0) ? true : nil } ?? false
    }

    /// Writes what waits, closes the file and ends the thread. What cannot be written now is lost, and logged. May be
    /// called repeatedly.
    package func stop() {
        inbox.withLock { $0.requestStop() }
        inbox.signal()
        let thread = self.thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        thread?.join()
    }
}
