import Environment
import Primitives
import ProviderProtocol
import WebSocketCodec

/// How a session that leaves stands.
struct DrainProgress: Equatable {
    /// Time between two reports while nothing changes.
    static let reportInterval = Duration.seconds(5)

    /// When the coordinator is told again.
    var nextReport: MonotonicInstant
}

extension AgentSession {
    func drainRequested() {
        environment.log(LogRecord(.info, "drain_requested"))
        startDrain()
    }

    /// Takes nothing new, finishes what is in flight, and closes (docs/protocol.md, sections 5 and 13). A session that
    /// is not live yet has nothing to finish.
    func startDrain() {
        switch stage {
        case .upgrading, .greeting:
            end(.drained, code: .goingAway, reason: "stopping")
        case .live:
            stage = .draining(DrainProgress(nextReport: environment.now + DrainProgress.reportInterval))
            report(.starting)
            if requests.isEmpty { drainCompleted() }
        case .draining, .closing, .ended:
            return
        }
        updateDeadline()
    }

    /// A request has ended in whatever way.
    func requestFinished() {
        guard case .draining = stage else { return }
        if requests.isEmpty { drainCompleted() } else { reportProgress() }
    }

    func drainDeadlineReached(now: MonotonicInstant) {
        guard case .draining(let drain) = stage, now >= drain.nextReport else { return }
        reportProgress()
    }

    private func reportProgress() {
        stage = .draining(DrainProgress(nextReport: environment.now + DrainProgress.reportInterval))
        report(.inProgress)
    }

    private func drainCompleted() {
        report(.complete)
        end(.drained, reason: "drained")
    }

    private func report(_ phase: DrainStatus.Phase) {
        let now = environment.now
        let typical = owner.throughput.latency
        let remaining = requests.values.map { max(typical - (now - $0.startedAt), .seconds(1)) }.max() ?? .zero
        let status = DrainStatus(
            phase: phase, inflightRequests: requests.count, estimatedDrainSeconds: remaining.inSeconds)
        queue { status.append(to: &$0) }
    }
}
