import Environment
import Primitives

extension Agent {
    /// Asks the engine for its models; while it is asked, and while requests are in flight and tell more, not again.
    func probe() {
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

    func scheduleProbe(after delay: Duration) {
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

    func apply(_ change: EngineHealth.Change) {
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

    var availability: Availability {
        switch health.state {
        case .up: .ready
        case .unknown: .degraded(reason: "engine_unknown")
        case .missing: .degraded(reason: "model_not_loaded")
        case .down: .degraded(reason: "engine_unreachable")
        }
    }
}
