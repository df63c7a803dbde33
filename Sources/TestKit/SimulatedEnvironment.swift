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
    /// Called with what every record is about, kept or not.
    package var onLog: ((StaticString) -> Void)?
    /// Turns of the loop so far.
    package private(set) var stepCount = 0
    /// Called after every turn: the place for invariants.
    package var afterStep: (() -> Void)?
    package var random: SeededRandom

    /// Timers of the core that will still fire.
    package private(set) var timerCount = 0
    /// Ends of connections that are still in memory.
    package var connectionCount: Int { connections.count }
    let connections = Census()

    /// Whether ``cutAcceptedConnections()`` is going to be called.
    package var tracksAcceptedConnections = false
    private var accepted: [SimulatedConnection] = []

    private var events = EventQueue()
    private var dirty: [SimulatedConnection] = []
    private var flushing: [SimulatedConnection] = []
    /// What a delivery lends to the receiver.
    var lent = ByteQueue()

    package init(seed: UInt64 = 1) { random = SeededRandom(seed: seed) }

    package func schedule(at deadline: MonotonicInstant, _ action: @escaping () -> Void) -> TimerID {
        timerCount += 1
        return events.schedule(at: max(deadline, now), .timer(action))
    }

    package func cancel(_ timer: TimerID) {
        if case .timer = events.cancel(timer) { timerCount -= 1 }
    }

    package func fillRandom(_ target: UnsafeMutableRawBufferPointer) {
        for index in target.indices { target[index] = UInt8(truncatingIfNeeded: random.next()) }
    }

    package func log(
        _ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields
    ) {
        onLog?(event)
        guard keptLogRecordCount > 0 else { return }
        let record = LogRecord(level, event, fields())
        logRecords.append(record)
        if logRecords.count > 2 * keptLogRecordCount { logRecords.removeFirst(keptLogRecordCount) }
    }

    /// The core's process is gone: its timers never fire.
    package func removeTimers() {
        events.removeTimers()
        timerCount = 0
    }

    /// Ends every connection that the core has accepted, as a kernel does when the process is gone.
    package func cutAcceptedConnections() {
        for connection in accepted { connection.processEnded() }
    }

    func track(_ connection: SimulatedConnection) {
        guard tracksAcceptedConnections else { return }
        connection.positionInAccepted = accepted.count
        accepted.append(connection)
    }

    func forgetAccepted(_ connection: SimulatedConnection) {
        guard let position = connection.positionInAccepted else { return }
        connection.positionInAccepted = nil
        let last = accepted.removeLast()
        guard last !== connection else { return }
        accepted[position] = last
        last.positionInAccepted = position
    }

    /// Events that have not happened yet: timers and bytes on their way.
    package var pendingEventCount: Int { events.count }

    package func loggedEvents(_ event: StaticString) -> [LogRecord] {
        logRecords.filter { $0.event.description == event.description }
    }

    /// Lets `actor` act at `time`. To be forgotten with ``cancel(_:)``.
    package func schedule(_ actor: any SimulatedActor, at time: MonotonicInstant) -> TimerID {
        events.schedule(at: max(time, now), .actor(actor))
    }

    // MARK: Running

    /// Runs one turn. False when nothing is left to happen.
    @discardableResult package func step() -> Bool {
        guard let time = nextTime else { return false }
        now = max(now, time)
        runTurn()
        return true
    }

    /// Runs until `deadline`, and leaves the clock there.
    package func run(until deadline: MonotonicInstant) {
        flushDirty()
        while let next = nextTime, next <= deadline {
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
            guard let next = nextTime, next <= end else {
                now = max(now, end)
                return condition()
            }
            now = max(now, next)
            runTurn()
        }
        return true
    }

    /// When the next event is due.
    private var nextTime: MonotonicInstant? { events.nextTime }

    private func runTurn() {
        guard let event = events.pop() else { return }
        switch event {
        case .nothing: return
        case .timer(let action):
            timerCount -= 1
            action()
        case .action(let action): action()
        case .actor(let actor): actor.act()
        case .delivery(let connection): connection.deliver()
        case .deadline(let connection):
            // A deadline that was moved later or taken back is no turn of the loop.
            guard connection.deadlineCame() else { return }
        case .writeCompletion(let connection): connection.writeCompleted()
        case .end(let connection): connection.ended()
        }
        stepCount += 1
        flushDirty()
        afterStep?()
    }

    /// Flushes what asked for it, also what asks during the flush.
    package func flushDirty() {
        while !dirty.isEmpty {
            swap(&dirty, &flushing)
            for connection in flushing { connection.flushRequested() }
            flushing.removeAll(keepingCapacity: true)
        }
    }

    func markDirty(_ connection: SimulatedConnection) { dirty.append(connection) }

    /// Lets `event` happen in a turn of its own, never inside the caller's.
    @discardableResult func soon(after delay: Duration = .zero, _ event: EventQueue.Event) -> TimerID {
        events.schedule(at: delay == .zero ? now : now + delay, event)
    }

    func schedule(at nanoseconds: Int64, _ event: EventQueue.Event) -> TimerID {
        events.schedule(at: MonotonicInstant(nanoseconds: nanoseconds), event)
    }

    func forget(_ event: TimerID) { events.cancel(event) }
}
