import Primitives

/// Looks once a second after the connections whose reading is paused, as long as there are any.
struct PausedProbe {
    static let interval = Duration.seconds(1)

    fileprivate var pausedCount = 0
    fileprivate var isScheduled = false
}

extension ShardEnvironment {
    func readingPaused() {
        pausedProbe.pausedCount += 1
        scheduleProbe()
    }

    func readingResumed() { pausedProbe.pausedCount -= 1 }

    private func scheduleProbe() {
        guard !pausedProbe.isScheduled, pausedProbe.pausedCount > 0 else { return }
        pausedProbe.isScheduled = true
        _ = schedule(at: now + PausedProbe.interval) { [unowned self] in
            pausedProbe.isScheduled = false
            // What the probe finds changes the list only later, from libuv's close callbacks.
            forEachConnection { $0.probeWhilePaused() }
            scheduleProbe()
        }
    }
}
