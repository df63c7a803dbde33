package import Environment
package import Platform
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
package final class LogWriter: LogSink {
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

    private let descriptor: Int32
    private let settings: Settings
    private let queue: Monitor<LogQueue>
    private let thread: Monitor<NamedThread?>

    /// Writes to `descriptor`, which stays the caller's.
    package init(descriptor: Int32 = 2, settings: Settings = Settings()) throws(ThreadError) {
        self.descriptor = descriptor
        self.settings = settings
        queue = Monitor(LogQueue(limit: settings.queueLimit, recordsPerSecond: settings.recordsPerSecond))
        thread = Monitor(nil)
        ignoreBrokenPipeSignal()
        let started = try NamedThread(name: "log") { self.run() }
        thread.withLock { $0 = started }
    }

    // MARK: Any thread

    package func write(_ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields) {
        guard level >= settings.minimumLevel else { return }
        let now = currentInstant()
        let admission = queue.withLock { $0.admit(event, now: now) }
        if admission.wakesWriter { queue.signal() }
        guard admission.isAdmitted else { return }
        let record = LogRecord(level, event, fields())
        let time = currentWallTime()
        queue.withLock { $0.add(record, time) }
        queue.signal()
    }

    package var droppedRecordCount: UInt64 { queue.withLock { $0.droppedInAll } }

    /// Writes what waits and ends the thread; later records are dropped. May be called repeatedly. Blocks until the
    /// descriptor has taken everything.
    package func stop() {
        queue.withLock { $0.stop() }
        queue.signal()
        let thread = self.thread.withLock { $0.take() }
        thread?.join()
    }

    // MARK: The writer's thread

    private func run() {
        var output = ByteQueue()
        func append(_ record: LogRecord, _ time: WallTime) {
            settings.format.append(record, at: time, to: &output)
            if output.count >= 64 * 1024 { flush(&output) }
        }
        var wakeUp = MonotonicInstant.distantFuture
        while true {
            let work = queue.wait(until: wakeUp) { [wakeUp] in $0.takeWork(now: currentInstant(), wakeUp: wakeUp) }
            guard let work else { continue }
            wakeUp = work.nextSummary
            for entry in work.entries { append(entry.record, entry.time) }
            for summary in work.summaries { append(summary, currentWallTime()) }
            if work.droppedCount > 0 {
                append(LogRecord(.warn, "log_records_dropped", [("count", .int(work.droppedCount))]), currentWallTime())
            }
            flush(&output)
            if work.isLast { return }
        }
    }

    private func flush(_ output: inout ByteQueue) {
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
