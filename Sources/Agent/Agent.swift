package import Environment
package import Primitives
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
    private enum State {
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

    private let settings: AgentSettings
    private let engine: any Engine
    private let environment: any Environment
    private let dialer: any Dialer
    private let onStop: (Stop) -> Void

    private var state = State.idle
    private var isStopping = false
    private var backoff: ReconnectBackoff
    private var health: EngineHealth
    private var probeTimer: TimerID?
    private var isProbing = false
    /// A `warm_up` waits for the probe's result.
    private var owesWarmUp = false
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

    private func stopped(_ stop: Stop) {
        if case .waiting(let timer) = state { environment.cancel(timer) }
        if case .stopped = state { return }
        state = .stopped
        if let probeTimer { environment.cancel(probeTimer) }
        probeTimer = nil
        engine.shutDown()
        environment.log(LogRecord(.info, "agent_stopped"))
        onStop(stop)
    }

    // MARK: The coordinator

    private func dial() {
        state = .dialing
        environment.log(
            LogRecord(
                .debug, "coordinator_dialing",
                [
                    ("host", .string(settings.coordinator.endpoint.host)),
                    ("port", .int(Int(settings.coordinator.endpoint.port))),
                ]
            ))
        dialer.dial(settings.coordinator.endpoint, timeout: settings.dialTimeout, target: self)
    }

    private func retry(
        _ event: StaticString, _ fields: [(StaticString, LogRecord.Value)], level: LogRecord.Level = .warn
    ) {
        let wait = backoff.failed()
        let all = fields + [("retry_in_s", .double((wait.inSeconds * 10).rounded() / 10))]
        environment.log(LogRecord(level, event, all))
        state = .waiting(environment.schedule(at: environment.now + wait) { [weak self] in self?.dial() })
    }

    // MARK: The engine

    /// Asks the engine for its models; while it is asked, and while requests are in flight and tell more, not again.
    private func probe() {
        if let probeTimer { environment.cancel(probeTimer) }
        probeTimer = nil
        guard !isProbing else { return }
        isProbing = true
        engine.listModels { [weak self] result in self?.probed(result) }
    }

    private func probed(_ result: Result<[String], EngineFailure>) {
        isProbing = false
        if case .stopped = state { return }
        switch result {
        case .success(let models):
            apply(health.modelsListed(models))
        case .failure(let failure):
            // An engine that is busy with our own requests may be slow to answer this one.
            if inflightRequestCount == 0 || failure.kind == .unreachable { apply(health.failed(failure.message)) }
        }
        if owesWarmUp {
            owesWarmUp = false
            if case .connected(let session, _) = state { session.setAvailability(availability, isAsked: true) }
        }
        if case .stopped = state { return }
        scheduleProbe(after: health.nextProbeDelay())
    }

    private func scheduleProbe(after delay: Duration) {
        if let probeTimer { environment.cancel(probeTimer) }
        probeTimer = environment.schedule(at: environment.now + delay) { [weak self] in
            guard let self else { return }
            self.probeTimer = nil
            if self.health.isUp && self.inflightRequestCount > 0 {
                self.scheduleProbe(after: EngineHealth.calmInterval)
            } else {
                self.probe()
            }
        }
    }

    private func apply(_ change: EngineHealth.Change) {
        switch change {
        case .none:
            return
        case .cameUp(let model):
            environment.log(LogRecord(.info, "engine_ready", [("model", .string(model))]))
            if case .awaitingEngine = state { return dial() }
        case .wentDown(let reason):
            environment.log(LogRecord(.warn, "engine_unreachable", [("error", .string(reason))]))
        case .lostModel(let available):
            let names = available.prefix(16).joined(separator: ", ")
            environment.log(
                LogRecord(
                    .warn, "model_not_served",
                    [("model", .string(health.wanted ?? "any")), ("available", .string(names))]))
            // A name that the engine has never had is a slip of the pen; waiting for it would hide that.
            if case .awaitingEngine = state, let wanted = settings.model {
                return stopped(.modelNotServed(wanted: wanted, available: available))
            }
        }
        if case .connected(let session, _) = state { session.setAvailability(availability) }
    }

    private var availability: Availability {
        switch health.state {
        case .up: .ready
        case .unknown: .degraded(reason: "engine_unknown")
        case .missing: .degraded(reason: "model_not_loaded")
        case .down: .degraded(reason: "engine_unreachable")
        }
    }
}

extension Agent: DialTarget {
    package func dialed(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        guard case .dialing = state, let model = health.wanted else { return connection.close() }
        let session = AgentSession(
            settings: settings, model: model, engine: engine, availability: availability, environment: environment,
            connection: connection, writeHalf: writeHalf, owner: self)
        state = .connected(session, since: nil)
    }

    package func dialFailed(_ error: DialError) {
        guard case .dialing = state else { return }
        let reason =
            switch error {
            case .nameNotResolved(let message), .notConnected(let message), .tlsFailed(let message): message
            case .timedOut: "timed out"
            }
        retry("coordinator_unreachable", [("error", .string(reason))])
    }
}

extension Agent: AgentSessionOwner {
    func sessionIsLive(_ session: AgentSession, _ ack: HelloAck) {
        state = .connected(session, since: environment.now)
        environment.log(
            LogRecord(
                .info, "coordinator_connected",
                [
                    ("assigned_id", .string(ack.assignedID)), ("tier", .string(ack.tier)),
                    ("model", .string(session.model)),
                ]))
        if let recommended = ack.recommendedBinaryVersion, recommended != settings.binaryVersion {
            environment.log(
                LogRecord(
                    .info, "newer_version_recommended",
                    [("version", .string(settings.binaryVersion)), ("recommended", .string(recommended))]))
        }
    }

    func engineFailed(_ failure: EngineFailure) {
        switch failure.kind {
        case .unreachable:
            apply(health.failed(failure.message))
            if !isProbing { scheduleProbe(after: health.nextProbeDelay()) }
        case .modelNotLoaded, .broken:
            if health.isUp { probe() }
        case .contextExceeded, .queueFull, .refused:
            break
        }
    }

    func warmUpRequested() {
        owesWarmUp = true
        probe()
    }

    func sessionEnded(_ session: AgentSession, _ end: SessionEnd) {
        guard case .connected(_, let since) = state else { return }
        if isStopping { return stopped(end == .stopped ? .stopped : .drained) }
        if let since, environment.now - since >= settings.settledInterval { backoff.succeeded() }
        retry("coordinator_lost", end.fields, level: end == .drained ? .info : .warn)
    }
}

extension SessionEnd {
    /// For the log.
    var fields: [(StaticString, LogRecord.Value)] {
        switch self {
        case .refused(let status, let reason):
            [("cause", "refused"), ("reason", .string(reason))] + (status.map { [("status", .int($0))] } ?? [])
        case .closed(let code, let reason):
            [("cause", "closed"), ("reason", .string(reason))] + (code.map { [("code", .int(Int($0)))] } ?? [])
        case .lost(let reason): [("cause", "lost"), ("reason", .string(reason))]
        case .silent: [("cause", "silent")]
        case .violated(let reason): [("cause", "violated"), ("reason", .string(reason))]
        case .drained: [("cause", "drained")]
        case .stopped: [("cause", "stopped")]
        }
    }
}
