import CLibuv
import Platform
import Primitives

/// What a timer of the loop does.
enum TimerPayload {
    case action(() -> Void)
    case connection(SocketConnection)
}

extension ShardEnvironment {
    /// Sets the loop's one timer to the earliest deadline. Called once per turn, before the sleep, so that any number of
    /// changes in a turn costs one.
    func armTimer() {
        let next = timers.nextDeadline
        guard next != armedDeadline else { return }
        armedDeadline = next
        guard let next else {
            uv_timer_stop(timer)
            return
        }
        // libuv counts whole milliseconds from its own cached time: freshen that, and round up.
        uv_update_time(loop)
        let now = currentInstant()
        let wait = next <= now ? 0 : UInt64(next.nanoseconds &- now.nanoseconds)
        let milliseconds = wait / 1_000_000 + (wait % 1_000_000 == 0 ? 0 : 1)
        uv_timer_start(
            timer,
            { handle in
                guard let environment = ShardEnvironment.of(handle?.pointee.loop) else { return }
                environment.enter { environment.timerFired() }
            }, milliseconds, 0)
    }

    /// May come early, since libuv's clock is coarse; what is not due is armed again at the end of the turn.
    private func timerFired() {
        armedDeadline = nil
        forgetTurnTime()
        let now = now
        // An action that schedules the next one for right now must not hold the loop: those run in the next turn.
        var budget = timers.count
        while budget > 0, isRunning, let payload = timers.popExpired(now: now) {
            budget -= 1
            switch payload {
            case .action(let action): action()
            case .connection(let connection): connection.timerFired(now: now)
            }
        }
    }
}
