package import CLibuv
package import Environment
import Platform
package import Primitives

/// What a shard offers to the code that runs on it: time, timers, randomness, log, listeners and dialing.
///
/// One turn of the loop:
///
///     timers ─▶ prepare: flush, arm the timer ─▶ sleep in poll ─▶ sockets, inbox ─▶ check: flush ─▶ closed handles
///
/// Flushing stands before the sleep and after the sockets, so whatever wrote, a turn writes once per connection and
/// nothing waits over a sleep. Not sendable: it never leaves its loop.
package final class ShardEnvironment: Environment {
    private enum Phase { case starting, running, stopping, ended }

    /// Bytes that one read takes at most. One buffer serves all connections, since each consumes at once.
    static let readBufferByteCount = 256 * 1024

    let executor: LoopExecutor
    let logSink: any LogSink
    /// Set when the loop's thread begins; the thread keeps the shard alive until the loop has ended.
    package private(set) unowned(unsafe) var shard: Shard?
    private var phase = Phase.starting

    private let prepare = UnsafeMutablePointer<uv_prepare_t>.allocate(capacity: 1)
    private let check = UnsafeMutablePointer<uv_check_t>.allocate(capacity: 1)
    let timer = UnsafeMutablePointer<uv_timer_t>.allocate(capacity: 1)

    /// With ``ByteQueue/padding`` readable bytes behind it.
    let readBuffer: UnsafeMutablePointer<UInt8>
    /// Where TLS puts what it decrypts; made when the first TLS connection needs it.
    private var plaintextBuffer: UnsafeMutablePointer<UInt8>?

    private var randomReserve = RandomReserve()
    /// Nanoseconds of the current turn; 0 when not read yet.
    private var turnTime: Int64 = 0
    var timers = TimerQueue<TimerPayload>()
    /// What the loop's one timer is set to.
    var armedDeadline: MonotonicInstant?

    /// Without the process's part, which is asked for when somebody wants it.
    var counted = DriverStatistics()

    private var dirty: [SocketConnection] = []
    private var flushing: [SocketConnection] = []
    private var connections: [SocketConnection] = []
    private var shutdownActions: [() -> Void] = []
    private var resources: [ObjectIdentifier: any LoopResource] = [:]
    private var residents: [ObjectIdentifier: AnyObject] = [:]
    var pausedProbe = PausedProbe()

    private let trustFile: String?
    private var clientContext: TLSClientContext?

    init(executor: LoopExecutor, settings: Shard.Settings) {
        self.executor = executor
        logSink = settings.log
        trustFile = settings.trustFile
        readBuffer = Self.makeReadBuffer()
        let loop = executor.loop
        // These three only fill in memory that was given; libuv documents no way for them to fail.
        uv_prepare_init(loop, prepare)
        uv_check_init(loop, check)
        uv_timer_init(loop, timer)
        loop.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        prepare.deallocate()
        check.deallocate()
        timer.deallocate()
        readBuffer.deallocate()
        plaintextBuffer?.deallocate()
    }

    private static func makeReadBuffer() -> UnsafeMutablePointer<UInt8> {
        let byteCount = readBufferByteCount + ByteQueue.padding
        let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: byteCount)
        buffer.initialize(repeating: 0, count: byteCount)
        return buffer
    }

    // MARK: Environment

    package var now: MonotonicInstant {
        if turnTime == 0 { turnTime = currentInstant().nanoseconds }
        return MonotonicInstant(nanoseconds: turnTime)
    }

    package var wallTime: WallTime { currentWallTime() }

    package func schedule(at deadline: MonotonicInstant, _ action: @escaping () -> Void) -> TimerID {
        timers.schedule(at: deadline, .action(action))
    }

    package func cancel(_ timer: TimerID) { timers.cancel(timer) }

    package func fillRandom(_ target: UnsafeMutableRawBufferPointer) { randomReserve.fill(target) }

    package func log(
        _ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields
    ) {
        logSink.write(level, event, fields)
    }

    package var statistics: DriverStatistics {
        var statistics = counted
        statistics.connectionsOpen = connections.count
        return statistics
    }

    package var processStatistics: ProcessStatistics {
        var statistics = ProcessStatistics.current()
        statistics.logRecordsDropped = logSink.droppedRecordCount
        return statistics
    }

    // MARK: For code that lives on the loop

    /// The loop itself, for libraries that are driven by it (libcurl). Handles made on it must be closed by an action
    /// given to ``atShutdown(_:)``.
    package var loop: UnsafeMutablePointer<uv_loop_t> { executor.loop }

    /// False as soon as the shard is being stopped: nothing new may start then.
    package var isRunning: Bool { phase == .running }

    /// Runs `action` on the loop when the shard stops, before connections are ended.
    package func atShutdown(_ action: @escaping () -> Void) { shutdownActions.append(action) }

    /// Keeps `object` alive as long as the shard runs and gives it back with ``resident(_:)``, so that a later
    /// ``Shard/run(_:)`` finds it again. One object per class.
    package func keep<Object: AnyObject>(_ object: Object) { residents[ObjectIdentifier(Object.self)] = object }

    package func resident<Object: AnyObject>(_ type: Object.Type) -> Object? {
        residents[ObjectIdentifier(type)] as? Object
    }

    /// Runs `action` in a later turn, behind what waits in the inbox.
    package func soon(_ action: @escaping () -> Void) {
        // Not sendable, and need not be: the inbox is emptied by the loop that this call comes from.
        nonisolated(unsafe) let action = action
        _ = executor.post { _ in action() }
    }

    // MARK: Re-entry from C

    /// Every callback of libuv comes in through here: proves that it runs on the shard's loop, once per event. What
    /// `Actor.assumeIsolated` asks is asked of the executor itself: it comes to the same, without a way through the
    /// runtime for each event.
    @inline(__always) func enter(_ body: () -> Void) {
        executor.checkIsolated()
        body()
    }

    static func of(_ loop: UnsafeMutablePointer<uv_loop_t>?) -> ShardEnvironment? {
        loop?.pointee.data.map { Unmanaged<ShardEnvironment>.fromOpaque($0).takeUnretainedValue() }
    }

    // MARK: Life of the loop

    func begin(on shard: Shard) {
        self.shard = shard
        _ = ProcessStatistics.processStart
        uv_prepare_start(prepare) { handle in ShardEnvironment.of(handle?.pointee.loop)?.turnEnds(beforeSleep: true) }
        uv_check_start(check) { handle in ShardEnvironment.of(handle?.pointee.loop)?.turnEnds(beforeSleep: false) }
        uv_unref(handlePointer(prepare))
        uv_unref(handlePointer(check))
        uv_unref(handlePointer(timer))
        if phase == .starting { phase = .running }
    }

    func shutDown() {
        guard phase == .running || phase == .starting else { return }
        phase = .stopping
        let actions = shutdownActions
        shutdownActions = []
        for action in actions { action() }
        for resource in resources.values { resource.shutDown() }
        for connection in connections { connection.end(.shutdown) }
        executor.releaseLoop()
        closeForeignHandles()
    }

    /// A handle that somebody made on the loop and did not close would keep the loop from ending.
    private func closeForeignHandles() {
        uv_walk(
            loop,
            { handle, context in
                guard let handle, let context, uv_is_closing(handle) == 0 else { return }
                let environment = Unmanaged<ShardEnvironment>.fromOpaque(context).takeUnretainedValue()
                guard !environment.isOwn(handle) else { return }
                environment.log(
                    LogRecord(.error, "handle_left_open", [("kind", .int(Int(handle.pointee.type.rawValue)))]))
                uv_close(handle, nil)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func isOwn(_ handle: UnsafeMutablePointer<uv_handle_t>) -> Bool {
        handle == handlePointer(prepare) || handle == handlePointer(check) || handle == handlePointer(timer)
            || executor.isWakeHandle(handle)
    }

    /// Nothing is on the loop any more but its own three handles.
    func end() {
        phase = .ended
        timers = TimerQueue()
        // Not before the last connection has told its handler that it ended: handlers lean on what is kept here.
        residents = [:]
        uv_close(handlePointer(prepare), nil)
        uv_close(handlePointer(check), nil)
        uv_close(handlePointer(timer), nil)
        shard = nil
    }

    // MARK: Turns

    private func turnEnds(beforeSleep: Bool) {
        if !dirty.isEmpty { enter { flushDirty() } }
        if beforeSleep { armTimer() }
        if turnTime != 0 {
            counted.turnSeconds.observe(nanoseconds: currentInstant().nanoseconds &- turnTime)
        }
        turnTime = 0
    }

    func forgetTurnTime() { turnTime = 0 }

    @inline(__always) func markDirty(_ connection: SocketConnection) { dirty.append(connection) }

    private func flushDirty() {
        // A flush may make another connection dirty (a chunk relayed by a completed write): that one leaves in this turn
        // too. The bound is there for two handlers that would wake each other for ever.
        for _ in 0..<16 {
            if dirty.isEmpty { return }
            swap(&dirty, &flushing)
            for connection in flushing { connection.flushNow() }
            flushing.removeAll(keepingCapacity: true)
        }
        executor.wakeFromLoop()
    }

    // MARK: Resources

    var hasResources: Bool { !resources.isEmpty }

    func adopt(_ resource: any LoopResource) { resources[ObjectIdentifier(resource)] = resource }
    func release(_ resource: any LoopResource) { resources[ObjectIdentifier(resource)] = nil }

    // MARK: Connections

    var connectionCount: Int { connections.count }

    func adopt(_ connection: SocketConnection) {
        counted.connectionsAccepted &+= 1
        connection.registryIndex = Int32(truncatingIfNeeded: connections.count)
        connections.append(connection)
    }

    func release(_ connection: SocketConnection) {
        let index = Int(connection.registryIndex)
        let last = connections.removeLast()
        guard last !== connection else { return }
        connections[index] = last
        last.registryIndex = connection.registryIndex
    }

    func forEachConnection(_ body: (SocketConnection) -> Void) {
        for connection in connections { body(connection) }
    }

    /// Made when the first outgoing TLS connection needs it: reading the trust store takes milliseconds.
    func tlsClientContext() throws(TLSError) -> TLSClientContext {
        if let clientContext { return clientContext }
        let context = try TLSClientContext(trustFile: trustFile)
        clientContext = context
        return context
    }

    func plaintextTarget() -> UnsafeMutablePointer<UInt8> {
        if let plaintextBuffer { return plaintextBuffer }
        let buffer = Self.makeReadBuffer()
        plaintextBuffer = buffer
        return buffer
    }
}

/// Something beside connections that has handles on the loop: kept by the environment until it says that it is done.
protocol LoopResource: AnyObject {
    /// The shard stops: close the handles. May be called when that has happened already.
    func shutDown()
}

@available(*, unavailable) extension ShardEnvironment: Sendable {}
