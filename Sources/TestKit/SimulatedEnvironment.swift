package import Environment
package import Primitives

/// A world without sockets and without waiting: a virtual clock, timers, seeded randomness and connections that are
/// byte pipes. One seed gives one run.
///
///       step()   take the next event (a timer, or bytes that arrive), move the clock to it, run it,
///                then flush the connections that asked for it: one turn of the loop
package final class SimulatedEnvironment: Environment {
    package private(set) var now: MonotonicInstant = .zero + .seconds(1)
    /// Where the calendar stood when the run began; a test may let it jump.
    package var wallTimeAtStart = WallTime(nanoseconds: 1_790_000_000 * 1_000_000_000)
    package var wallTime: WallTime { wallTimeAtStart + (now - .zero) }

    /// What was logged, oldest first; the oldest go when there are more than ``keptLogRecordCount``.
    package private(set) var logRecords: [LogRecord] = []
    package var keptLogRecordCount = 2_000
    /// Turns of the loop so far.
    package private(set) var stepCount = 0
    /// Called after every turn: the place for invariants.
    package var afterStep: (() -> Void)?
    package var random: SeededRandom

    private var events = TimerQueue<() -> Void>()
    private var dirty: [SimulatedConnection] = []

    package init(seed: UInt64 = 1) { random = SeededRandom(seed: seed) }

    package func schedule(at deadline: MonotonicInstant, _ action: @escaping () -> Void) -> TimerID {
        events.schedule(at: max(deadline, now), action)
    }

    package func cancel(_ timer: TimerID) { events.cancel(timer) }

    package func fillRandom(_ target: UnsafeMutableRawBufferPointer) {
        for index in target.indices { target[index] = UInt8(truncatingIfNeeded: random.next()) }
    }

    package func log(_ record: LogRecord) {
        logRecords.append(record)
        if logRecords.count > 2 * keptLogRecordCount { logRecords.removeFirst(keptLogRecordCount) }
    }

    /// Events that have not happened yet: timers and bytes on their way.
    package var pendingEventCount: Int { events.count }

    package func loggedEvents(_ event: StaticString) -> [LogRecord] {
        logRecords.filter { $0.event.description == event.description }
    }

    // MARK: Running

    /// Runs one turn. False when nothing is left to happen.
    @discardableResult package func step() -> Bool {
        guard let deadline = events.nextDeadline else { return false }
        now = max(now, deadline)
        runTurn()
        return true
    }

    /// Runs until `deadline`, and leaves the clock there.
    package func run(until deadline: MonotonicInstant) {
        flushDirty()
        while let next = events.nextDeadline, next <= deadline {
            now = max(now, next)
            runTurn()
        }
        now = max(now, deadline)
    }

    package func run(for duration: Duration) { run(until: now + duration) }

    /// Runs until `condition` holds or `limit` of virtual time has passed; tells whether it holds.
    package func run(upTo limit: Duration, until condition: () -> Bool) -> Bool {
        flushDirty()
        let end = now + limit
        while !condition() {
            guard let next = events.nextDeadline, next <= end else {
                now = max(now, end)
                return condition()
            }
            now = max(now, next)
            runTurn()
        }
        return true
    }

    private func runTurn() {
        stepCount += 1
        if let action = events.popExpired(now: now) { action() }
        flushDirty()
        afterStep?()
    }

    /// Flushes what asked for it, also what asks during the flush.
    package func flushDirty() {
        while !dirty.isEmpty {
            let batch = dirty
            dirty.removeAll(keepingCapacity: true)
            for connection in batch { connection.flushRequested() }
        }
    }

    func markDirty(_ connection: SimulatedConnection) { dirty.append(connection) }

    /// Runs `action` in a turn of its own, as soon as possible but not inside the caller.
    func soon(after delay: Duration = .zero, _ action: @escaping () -> Void) {
        _ = events.schedule(at: now + delay, action)
    }
}
