package import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// State under a lock, with a condition to wait for. The lock is held only for as long as a body runs, and no body does
/// more than move values, so nobody waits for it noticeably. Waiting is done between bodies and never within one: what
/// has exclusive access to the state while others change it may be taken by the optimiser for the only one who does.
package final class Monitor<State: Sendable>: @unchecked Sendable {
    // Safe to share: `state` is touched under `mutex` only; the two primitives are made for it.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state: State

    package init(_ state: State) {
        self.state = state
        // Fail only without memory.
        precondition(pthread_mutex_init(mutex, nil) == 0, "no mutex can be made")
        #if canImport(Darwin)
            precondition(pthread_cond_init(changed, nil) == 0, "no condition can be made")
        #else
            var attributes = pthread_condattr_t()
            pthread_condattr_init(&attributes)
            // A calendar that is set must not hold a waiter back.
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
            precondition(pthread_cond_init(changed, &attributes) == 0, "no condition can be made")
            pthread_condattr_destroy(&attributes)
        #endif
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    package func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&state)
    }

    /// Wakes everyone who waits, to look again.
    package func signal() { pthread_cond_broadcast(changed) }

    /// Asks `body` under the lock, now and after each signal, until it gives something or `deadline` has passed.
    package func wait<Result>(until deadline: MonotonicInstant, _ body: (inout State) -> Result?) -> Result? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            guard waitForSignal(until: deadline) else { return body(&state) }
        }
    }

    /// - Returns: false when the deadline has passed.
    private func waitForSignal(until deadline: MonotonicInstant) -> Bool {
        #if canImport(Darwin)
            let left = max(0, (deadline - currentInstant()).inNanoseconds)
            var duration = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
            return pthread_cond_timedwait_relative_np(changed, mutex, &duration) != ETIMEDOUT
        #else
            var time = timespec(
                tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
            return pthread_cond_timedwait(changed, mutex, &time) != ETIMEDOUT
        #endif
    }
}
