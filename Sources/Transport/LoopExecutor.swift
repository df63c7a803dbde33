import CLibuv
import Platform
import Synchronization

/// Runs an actor's jobs on one libuv loop.
///
///     any thread:   enqueue ─▶ inbox ─▶ uv_async_send, unless one is on its way
///     loop thread:  uv_async callback ─▶ takes at most ``batchCount`` items ─▶ runs them
///
/// When the loop has ended, jobs that still come (a task that resumes on a stopped shard) run on a thread made for them,
/// so that nobody waits for ever.
final class LoopExecutor: SerialExecutor, @unchecked Sendable {
    // Safe to share: `loop`, `wake` and `batch` are touched by the loop's thread only, apart from `uv_async_send`, which
    // libuv allows from everywhere and which happens under the lock that also guards the end of the loop.

    enum Item {
        case job(UnownedJob)
        case action(@Sendable (ShardEnvironment) -> Void)
    }

    /// Most items that run in one turn, so that a busy actor does not starve the sockets.
    static let batchCount = 4096

    private enum Phase { case running, stopRequested, ended, endedWithHelper }
    private struct Inbox {
        var items: [Item] = []
        var wakePending = false
        var phase = Phase.running
    }

    let loop = UnsafeMutablePointer<uv_loop_t>.allocate(capacity: 1)
    private let wake = UnsafeMutablePointer<uv_async_t>.allocate(capacity: 1)
    private let inbox = Mutex(Inbox())
    private var batch: [Item] = []
    private let wakeups = Atomic<Int>(0)

    /// How often the loop was woken for its inbox; for tests that prove that it does not spin.
    var wakeupCount: Int { wakeups.load(ordering: .relaxed) }

    init() throws(ShardError) {
        var code = uv_loop_init(loop)
        guard code == 0 else {
            loop.deallocate()
            wake.deallocate()
            throw ShardError(step: .loop, code: code)
        }
        code = uv_async_init(
            loop, wake,
            { handle in
                guard let data = handle?.pointee.data else { return }
                Unmanaged<LoopExecutor>.fromOpaque(data).takeUnretainedValue().drain()
            })
        guard code == 0 else {
            _ = uv_loop_close(loop)
            loop.deallocate()
            wake.deallocate()
            throw ShardError(step: .handle, code: code)
        }
        wake.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit {
        loop.deallocate()
        wake.deallocate()
    }

    // MARK: Executor

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let needsHelper = inbox.withLock { inbox in
            inbox.items.append(.job(job))
            switch inbox.phase {
            case .running, .stopRequested:
                wakeLoop(&inbox)
                return false
            case .ended:
                inbox.phase = .endedWithHelper
                return true
            case .endedWithHelper:
                return false
            }
        }
        if needsHelper { startHelper() }
    }

    func isIsolatingCurrentContext() -> Bool? { isCurrent }

    func checkIsolated() { precondition(isCurrent, "not on this shard's loop") }

    @inline(__always) var isCurrent: Bool {
        uv_key_get(currentExecutorKey.pointer) == Unmanaged.passUnretained(self).toOpaque()
    }

    /// Makes the calling thread the one that runs this executor's jobs.
    func claimCurrentThread() { uv_key_set(currentExecutorKey.pointer, Unmanaged.passUnretained(self).toOpaque()) }

    // MARK: Inbox

    /// Runs `action` on the loop, behind what was enqueued before.
    /// - Returns: false when the loop has ended; the action is then dropped.
    func post(_ action: @escaping @Sendable (ShardEnvironment) -> Void) -> Bool {
        inbox.withLock { inbox in
            switch inbox.phase {
            case .running, .stopRequested:
                inbox.items.append(.action(action))
                wakeLoop(&inbox)
                return true
            case .ended, .endedWithHelper:
                return false
            }
        }
    }

    /// Asks the loop to shut its environment down, once.
    func requestStop() {
        inbox.withLock { inbox in
            guard case .running = inbox.phase else { return }
            inbox.phase = .stopRequested
            inbox.items.append(.action { $0.shutDown() })
            wakeLoop(&inbox)
        }
    }

    /// Wakes the loop so that it does not sleep before its next turn.
    func wakeFromLoop() { _ = uv_async_send(wake) }

    private func wakeLoop(_ inbox: inout Inbox) {
        guard !inbox.wakePending else { return }
        inbox.wakePending = true
        // Fails only for a handle that is no async handle.
        _ = uv_async_send(wake)
    }

    private func drain() {
        wakeups.wrappingAdd(1, ordering: .relaxed)
        inbox.withLock { inbox in
            inbox.wakePending = false
            if inbox.items.count <= Self.batchCount {
                swap(&batch, &inbox.items)
            } else {
                batch.append(contentsOf: inbox.items.prefix(Self.batchCount))
                inbox.items.removeFirst(Self.batchCount)
                wakeLoop(&inbox)
            }
        }
        runBatch()
    }

    private func runBatch() {
        let environment = loop.pointee.data.map { Unmanaged<ShardEnvironment>.fromOpaque($0).takeUnretainedValue() }
        for item in batch {
            switch item {
            case .job(let job): job.runSynchronously(on: asUnownedSerialExecutor())
            case .action(let action): if let environment { action(environment) }
            }
        }
        batch.removeAll(keepingCapacity: batch.capacity <= Self.batchCount)
    }

    // MARK: End

    /// From now on the inbox alone does not keep the loop running.
    func releaseLoop() { uv_unref(handlePointer(wake)) }

    func isWakeHandle(_ handle: UnsafeMutablePointer<uv_handle_t>) -> Bool { handle == handlePointer(wake) }

    /// Runs what is left in the inbox and closes the wake-up handle; the loop must run once more to finish that.
    func end() {
        while true {
            let isEmpty = inbox.withLock { inbox in
                guard !inbox.items.isEmpty else {
                    inbox.phase = .ended
                    return true
                }
                swap(&batch, &inbox.items)
                return false
            }
            if isEmpty { break }
            runBatch()
            _ = uv_run(loop, UV_RUN_DEFAULT)
        }
        uv_close(handlePointer(wake), nil)
    }

    private func startHelper() {
        do {
            try NamedThread(name: "shard-rest") { self.runRest() }.detach()
        } catch {
            // Without a thread the caller's is the only one left; the jobs are few and it is the end.
            runRest()
        }
    }

    private func runRest() {
        let previous = uv_key_get(currentExecutorKey.pointer)
        claimCurrentThread()
        defer { uv_key_set(currentExecutorKey.pointer, previous) }
        while true {
            let items: [Item] = inbox.withLock { inbox in
                if inbox.items.isEmpty { inbox.phase = .ended }
                defer { inbox.items = [] }
                return inbox.items
            }
            if items.isEmpty { return }
            for case .job(let job) in items { job.runSynchronously(on: asUnownedSerialExecutor()) }
        }
    }
}

/// The thread-local slot that says which executor owns the current thread.
private struct CurrentExecutorKey: @unchecked Sendable {
    // Safe to share: written once, here.
    let pointer: UnsafeMutablePointer<uv_key_t>

    init() {
        pointer = .allocate(capacity: 1)
        let code = uv_key_create(pointer)
        precondition(code == 0, "no thread-local slot is left")
    }
}

private let currentExecutorKey = CurrentExecutorKey()

@inline(__always) func handlePointer<Handle>(_ handle: UnsafeMutablePointer<Handle>) -> UnsafeMutablePointer<
    uv_handle_t
> {
    UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self)
}

@inline(__always) func streamPointer<Handle>(_ handle: UnsafeMutablePointer<Handle>) -> UnsafeMutablePointer<
    uv_stream_t
> {
    UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_stream_t.self)
}
