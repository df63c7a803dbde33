import CLibuv
package import Environment
import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writes log records as lines to a descriptor, on a thread of its own.
///
///     any thread:     rate limit ─▶ bounded queue      full: the record is counted and dropped, nobody waits
///     writer thread:  queue ─▶ format ─▶ write(2), which may block
///
/// Must be stopped: until then its thread keeps it alive.
package final class LogWriter: LogSink, @unchecked Sendable {
    // Safe to share: `state` is touched under `mutex` only, `output` by the writer's thread only.

    package struct Settings: Sendable {
        /// Records below are not kept.
        package var minimumLevel = LogRecord.Level.info
        package var format = LogFormat.json
        /// Most records that wait for the thread.
        package var queueLimit = 4096
        /// Most records per second of one event; the rest is counted and reported in one line.
        package var recordsPerSecond = 10

        package init() {}
    }

    private struct Entry {
        let record: LogRecord
        let time: WallTime
    }

    /// What the writer's thread sleeps for.
    private enum Sleep { case awake, untilWork, untilSummary }
    private enum Life { case running, stopping, stopped }
    private struct State {
        var queue: [Entry] = []
        var limiter: LogRateLimiter
        /// Not reported in a line yet.
        var droppedCount = 0
        var droppedInAll: UInt64 = 0
        var sleep = Sleep.awake
        var life = Life.running
        var thread: LoopThread?

        var hasWork: Bool {
            if case .running = life { return !queue.isEmpty || droppedCount > 0 }
            return true
        }

        mutating func takeWork(now: MonotonicInstant) -> Work {
            var work = Work(entries: queue, droppedCount: droppedCount)
            queue = []
            droppedCount = 0
            if case .stopping = life {
                life = .stopped
                work.isLast = true
            }
            work.summaries = work.isLast ? limiter.takeAll() : limiter.takeEnded(now: now)
            return work
        }
    }

    private struct Work {
        var entries: [Entry]
        var droppedCount: Int
        var summaries: [LogRecord] = []
        var isLast = false
    }

    private let descriptor: Int32
    private let settings: Settings
    private let mutex = UnsafeMutablePointer<uv_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<uv_cond_t>.allocate(capacity: 1)
    private var state: State
    private var output = ByteQueue()

    /// Writes to `descriptor`, which stays the caller's.
    package init(descriptor: Int32 = 2, settings: Settings = Settings()) throws(ShardError) {
        self.descriptor = descriptor
        self.settings = settings
        state = State(limiter: LogRateLimiter(recordsPerSecond: settings.recordsPerSecond))
        let codes = (uv_mutex_init(mutex), uv_cond_init(changed))
        guard codes == (0, 0) else { throw ShardError(step: .thread, code: min(codes.0, codes.1)) }
        ignoreBrokenPipeSignal()
        let thread = try LoopThread(name: "log") { self.run() }
        withState { $0.thread = thread }
    }

    deinit {
        uv_cond_destroy(changed)
        uv_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// `body` must not wait: an access to the state that lasts over a wait is one that the others do not see.
    private func withState<Result>(_ body: (inout State) -> Result) -> Result {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        return body(&state)
    }

    // MARK: Any thread

    package func write(
        _ level: LogRecord.Level, _ event: StaticString, _ fields: () -> [(StaticString, LogRecord.Value)]
    ) {
        guard level >= settings.minimumLevel, isAdmitted(event) else { return }
        let entry = Entry(record: LogRecord(level, event, fields()), time: currentWallTime())
        withState { state in
            guard case .running = state.life else { return }
            add(entry, to: &state)
        }
    }

    /// False for one record too many of its event; it is counted.
    private func isAdmitted(_ event: StaticString) -> Bool {
        let now = currentInstant()
        return withState { state in
            guard case .running = state.life else { return false }
            let ended = state.limiter.takeEnded(now: now)
            // Beyond the queue's limit too, which their number, one per event, hardly stretches: what they count is
            // counted nowhere else.
            for summary in ended { state.queue.append(Entry(record: summary, time: currentWallTime())) }
            let isAdmitted = state.limiter.admits(event, now: now)
            if !ended.isEmpty || !isAdmitted && state.sleep == .untilWork { uv_cond_signal(changed) }
            return isAdmitted
        }
    }

    private func add(_ entry: Entry, to state: inout State) {
        guard state.queue.count < settings.queueLimit else {
            state.droppedCount += 1
            state.droppedInAll += 1
            return
        }
        state.queue.append(entry)
        if state.sleep != .awake { uv_cond_signal(changed) }
    }

    package var droppedRecordCount: UInt64 { withState { $0.droppedInAll } }

    /// Writes what waits and ends the thread; later records are dropped. May be called repeatedly. Blocks until the
    /// descriptor has taken everything.
    package func stop() {
        let thread = withState { state in
            if case .running = state.life { state.life = .stopping }
            uv_cond_signal(changed)
            defer { state.thread = nil }
            return state.thread
        }
        thread?.join()
    }

    // MARK: The writer's thread

    private func run() {
        while true {
            waitForWork()
            let work = withState { $0.takeWork(now: currentInstant()) }
            for entry in work.entries { append(entry.record, entry.time) }
            for summary in work.summaries { append(summary, currentWallTime()) }
            if work.droppedCount > 0 {
                append(LogRecord(.warn, "log_records_dropped", [("count", .int(work.droppedCount))]), currentWallTime())
            }
            flush()
            if work.isLast { return }
        }
    }

    /// Returns when there is something to write, or a summary may be due.
    private func waitForWork() {
        uv_mutex_lock(mutex)
        defer { uv_mutex_unlock(mutex) }
        guard !state.hasWork else { return }
        state.sleep = state.limiter.hasSuppressed ? .untilSummary : .untilWork
        if state.sleep == .untilSummary {
            _ = uv_cond_timedwait(changed, mutex, UInt64(LogRateLimiter.window.inNanoseconds))
        } else {
            uv_cond_wait(changed, mutex)
        }
        state.sleep = .awake
    }

    private func append(_ record: LogRecord, _ time: WallTime) {
        settings.format.append(record, at: time, to: &output)
        if output.count >= 64 * 1024 { flush() }
    }

    private func flush() {
        while !output.isEmpty {
            let count = output.view.count
            let written = Transport.write(descriptor, output.view)
            guard written > 0 else {
                // The reader has gone. There is nowhere to say so.
                output.removeAll()
                return
            }
            output.consume(min(written, count))
        }
    }
}

/// Writes some of `bytes`, waiting as long as it takes.
/// - Returns: how many were taken, or a negative error number.
private func write(_ descriptor: Int32, _ bytes: ByteView) -> Int {
    while true {
        #if canImport(Darwin)
            let count = Darwin.write(descriptor, bytes.base, bytes.count)
        #elseif canImport(Musl)
            let count = Musl.write(descriptor, bytes.base, bytes.count)
        #else
            let count = Glibc.write(descriptor, bytes.base, bytes.count)
        #endif
        if count >= 0 { return count }
        switch errno {
        case EINTR:
            continue
        case EAGAIN, EWOULDBLOCK:
            // Somebody made the terminal or pipe non-blocking.
            var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            _ = Transport.wait(for: &poll)
        default:
            return Int(-errno)
        }
    }
}

private func wait(for descriptor: inout pollfd) -> Int32 { poll(&descriptor, 1, 1000) }
