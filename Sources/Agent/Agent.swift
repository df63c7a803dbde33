package import Environment
import Primitives
import ProviderProtocol
import WebSocketCodec

/// A provider: finds its model, keeps a session with the coordinator for ever, and carries answers from the engine.
///
///       idle ─start─▶ awaitingEngine ─the model is there─▶ dialing ─▶ connected
///                                                            ▲  │failed   │lost
///                                                            └── waiting ◀┘
///       any ─startDrain / stop─▶ … ─▶ stopped
///
/// One agent lives on one loop; everything it does is a reaction to a call from there.
package final class Agent {
    enum State {
        case idle
        /// No greeting without a model's name: the engine is asked until it names one.
        case awaitingEngine
        /// The next dial is due then.
        case waiting(TimerID)
        case dialing
        case connected(AgentSession, since: MonotonicInstant?)
        case stopped
    }

    /// Why the agent stopped.
    package enum Stop: Equatable, Sendable {
        /// As asked; everything in flight was finished.
        case drained
        /// As asked, without waiting.
        case stopped
        /// The engine does not have the model that was named on the command line.
        case modelNotServed(wanted: String, available: [String])
    }

    let settings: AgentSettings
    let engine: any Engine
    let environment: any Environment
    let dialer: any Dialer
    private let onStop: (Stop) -> Void

    var state = State.idle
    var isStopping = false
    /// The coordinator has just refused version 2: the next session greets with version 1.
    var fallsBack = false
    var backoff: ReconnectBackoff
    var health: EngineHealth
    var probeTimer: TimerID?
    var isProbing = false
    /// A `warm_up` waits for the probe's result.
    var owesWarmUp = false
    var throughput: ThroughputMeter

    /// `onStop` is called once, from the loop, after which the agent does nothing more; the engine is shut down then.
    package init(
        settings: AgentSettings, engine: any Engine, environment: any Environment, dialer: any Dialer,
        onStop: @escaping (Stop) -> Void
    ) {
        self.settings = settings
        self.engine = engine
        self.environment = environment
        self.dialer = dialer
        self.onStop = onStop
        backoff = ReconnectBackoff(seed: environment.randomID().low)
        health = EngineHealth(wanted: settings.model, seed: environment.randomID().low)
        throughput = ThroughputMeter(estimate: settings.throughputEstimate)
    }

    package func start() {
        guard case .idle = state else { return }
        state = .awaitingEngine
        probe()
    }

    /// Takes no more requests, finishes those in flight (for at most the settings' drain time), and stops.
    package func startDrain() {
        switch state {
        case .connected(let session, _):
            guard !isStopping else { return }
            isStopping = true
            environment.log(LogRecord(.info, "draining", [("inflight_requests", .int(session.requests.count))]))
            _ = environment.schedule(at: environment.now + settings.drainTimeout) { [weak self] in self?.drainTimedOut()
            }
            session.startDrain()
        case .idle, .awaitingEngine, .waiting, .dialing:
            stopped(.drained)
        case .stopped:
            break
        }
    }

    /// Stops now; what is in flight is lost.
    package func stop() {
        isStopping = true
        switch state {
        case .connected(let session, _): session.end(.stopped, code: .goingAway, reason: "stopping")
        case .idle, .awaitingEngine, .waiting, .dialing: stopped(.stopped)
        case .stopped: break
        }
    }

    /// The model that is served, once it is known; for status displays.
    package var model: String? { health.wanted }
    package var isConnected: Bool { if case .connected(_, since: .some) = state { true } else { false } }
    package var inflightRequestCount: Int {
        if case .connected(let session, _) = state { session.requests.count } else { 0 }
    }

    // MARK: Stopping

    private func drainTimedOut() {
        guard case .connected(let session, _) = state else { return }
        environment.log(LogRecord(.warn, "drain_timed_out", [("inflight_requests", .int(session.requests.count))]))
        session.abandonRequests("the provider stops")
    }

    func stopped(_ stop: Stop) {
        if case .waiting(let timer) = state { environment.cancel(timer) }
        if case .stopped = state { return }
        state = .stopped
        if let probeTimer { environment.cancel(probeTimer) }
        probeTimer = nil
        engine.shutDown()
        environment.log(LogRecord(.info, "agent_stopped"))
        onStop(stop)
    }
}
