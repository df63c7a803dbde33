import CLibuv
import Platform
import Synchronization

/// One event loop on one thread, and everything that lives on it.
///
///     await shard.run { environment in … }    from outside: a hop onto the loop
///     shard.post { environment in … }         the same without waiting
///     C callback ─▶ assumeIsolated { … }      from the loop: once per event, no hop
///
/// Connections, sessions and timers are ordinary classes that never leave the loop; only Sendable values cross. A shard
/// must be stopped: until then its thread keeps it alive.
package actor Shard {
    package struct Settings: Sendable {
        /// Shown as the thread's name.
        package var name: String
        /// Where log records go.
        package var log: any LogSink
        /// Certificates (PEM) that outgoing TLS connections trust beside the system's.
        package var trustFile: String?

        package init(name: String = "shard", log: any LogSink = DiscardingLog(), trustFile: String? = nil) {
            self.name = name
            self.log = log
            self.trustFile = trustFile
        }
    }

    private enum Life {
        case starting
        case running(NamedThread)
        case stopping([CheckedContinuation<Void, Never>], NamedThread)
        case ended(unjoined: NamedThread?)
    }

    nonisolated let executor: LoopExecutor
    private let environment: ShardEnvironment
    private nonisolated let life = Mutex(Life.starting)

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// How often other threads have woken the loop.
    package nonisolated var wakeupCount: Int { executor.wakeupCount }

    private init(executor: LoopExecutor, settings: Settings) {
        self.executor = executor
        environment = ShardEnvironment(executor: executor, settings: settings)
    }

    /// Makes the loop and starts its thread.
    package static func start(_ settings: Settings = Settings()) throws(ShardError) -> Shard {
        ignoreBrokenPipeSignal()
        let shard = Shard(executor: try LoopExecutor(), settings: settings)
        let thread: NamedThread
        do throws(ThreadError) {
            thread = try NamedThread(name: settings.name) { shard.runLoop() }
        } catch {
            throw ShardError(step: .thread, code: error.code)
        }
        shard.life.withLock { $0 = .running(thread) }
        return shard
    }

    /// Runs `body` on the loop and gives its result back.
    package func run<Result: Sendable, Failure: Error>(
        _ body: @Sendable (ShardEnvironment) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(environment)
    }

    /// Runs `body` on the loop soon, behind what was posted or enqueued before.
    /// - Returns: false when the shard has stopped; `body` is then dropped.
    @discardableResult
    package nonisolated func post(_ body: @escaping @Sendable (ShardEnvironment) -> Void) -> Bool {
        executor.post(body)
    }

    /// Ends the loop: listeners close, every connection ends with ``ConnectionEnd/shutdown``, timers are dropped, and
    /// the thread is gone when the call returns. May be called repeatedly and from everywhere.
    package nonisolated func stop() async {
        await withCheckedContinuation { continuation in
            let isEnded = life.withLock { life in
                switch life {
                case .starting, .ended:
                    return true
                case .running(let thread):
                    life = .stopping([continuation], thread)
                case .stopping(let waiting, let thread):
                    life = .stopping(waiting + [continuation], thread)
                }
                return false
            }
            if isEnded { continuation.resume() } else { executor.requestStop() }
        }
        let thread: NamedThread? = life.withLock { life in
            guard case .ended(let thread) = life else { return nil }
            life = .ended(unjoined: nil)
            return thread
        }
        thread?.join()
    }

    /// The body of the loop's thread.
    private nonisolated func runLoop() {
        executor.claimCurrentThread()
        assumeIsolated { $0.environment.begin(on: $0) }
        _ = uv_run(executor.loop, UV_RUN_DEFAULT)
        executor.end()
        assumeIsolated { $0.environment.end() }
        _ = uv_run(executor.loop, UV_RUN_DEFAULT)
        let code = uv_loop_close(executor.loop)
        precondition(code == 0, "a handle was left open on the loop")
        let waiting: [CheckedContinuation<Void, Never>] = life.withLock { life in
            guard case .stopping(let waiting, let thread) = life else { return [] }
            life = .ended(unjoined: thread)
            return waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
