import Environment
import Pool
import Primitives
import ProviderProtocol
import WebSocketCodec

/// Between the pool, which decides, and the sessions, which act.
extension Coordinator {
    /// Carries out what the pool decided, and re-arms its timer.
    func perform(_ actions: [PoolAction]) {
        for action in actions { perform(action) }
        armPoolTimer()
    }

    private func perform(_ action: PoolAction) {
        switch action {
        case .stateChanged(let handle, let from, let to, let cause):
            log(
                .info, "provider_state_changed",
                fields(of: handle) + [
                    ("from", .string(from.name.description)), ("to", .string(to.name.description)),
                    ("cause", .string(cause.name.description)),
                ])
        case .probe(let handle): probe(handle)
        case .sendWarmUp(let handle): session(handle)?.sendWarmUp()
        case .sendPing(let handle): session(handle)?.sendPing()
        case .heartbeatLate(let handle, let silence):
            log(.warn, "heartbeat_late", fields(of: handle) + [("silence_s", .int(Int(silence.inSeconds)))])
        case .close(let handle, let cause): close(handle, cause)
        case .removed(_, _, let providerID):
            log(.info, "provider_removed", [("provider_id", .string(providerID))])
        }
    }

    private func close(_ handle: EntryHandle, _ cause: CloseCause) {
        guard let session = session(handle) else { return }
        switch cause {
        case .silent:
            metrics.silenceDrops += 1
            log(.warn, "provider_silent", fields(of: handle))
            session.cut()
        case .drainComplete: session.closeDrained(.normal, "drained")
        case .drainOverdue: session.closeDrained(.goingAway, "drain took too long")
        }
    }

    private func probe(_ handle: EntryHandle) {
        guard let session = session(handle) else { return }
        let text = "recovery-probe-\(environment.randomID().text)"
        session.recoveryProbe = text
        withByteView(text) { session.sendPreflight($0, estimatedTokens: 128) }
    }

    func preflightAnswered(_ answer: PreflightAck, by session: ProviderSession) {
        guard let handle = session.handle else { return }
        if let request = session.request(answer.requestID) { return request.preflightAnswered(answer.answer) }
        // An answer to an earlier probe says nothing about now.
        guard let probe = session.recoveryProbe, withByteView(probe, { $0 == answer.requestID }) else { return }
        session.recoveryProbe = nil
        var isAccepted = false
        if case .accepted = answer.answer { isAccepted = true }
        perform(pool.probeAnswered(handle, accepted: isAccepted, now: environment.now))
    }

    /// A tunnel says that nobody stands behind a provider's endpoint: out of service at once, and back as soon as its
    /// WebSocket answers a PING; one that does not within five seconds is cut.
    func endpointUnreachable(_ session: ProviderSession) {
        guard let handle = session.handle else { return }
        perform(
            pool.stateUpdated(handle, to: .unavailable, slotsFree: nil, slotsTotal: nil, now: environment.now))
        session.probe(within: .seconds(5))
    }

    func probeAnswered(by handle: EntryHandle) {
        perform(pool.stateUpdated(handle, to: .ready, slotsFree: nil, slotsTotal: nil, now: environment.now))
    }

    func heartbeatReceived(_ heartbeat: Heartbeat, from handle: EntryHandle) {
        guard let known = pool[handle]?.profile else { return }
        let actions = withByteView(known.modelID) { knownModel in
            pool.heartbeatReceived(
                handle,
                HeartbeatReport(
                    status: ProviderState(heartbeat.status), modelID: heartbeat.modelID ?? knownModel,
                    modelParamsB: heartbeat.modelParamsB ?? known.modelParamsB, ramGB: heartbeat.ramGB ?? known.ramGB,
                    maxContextTokens: heartbeat.maxContextTokens ?? known.maxContextTokens,
                    maxConcurrency: heartbeat.maxConcurrency ?? known.maxConcurrency,
                    slotsFree: heartbeat.slotsFree, slotsTotal: heartbeat.slotsTotal,
                    throughputTPSEstimate: heartbeat.throughputTPSEstimate ?? known.throughputTPSEstimate,
                    activity: ReportedActivity(
                        requestsServed: heartbeat.requestsServedSinceLast ?? 0,
                        averageLatencyMS: heartbeat.averageLatencyMillisecondsSinceLast,
                        throughputTPS: heartbeat.throughputTPSSinceLast)),
                now: environment.now)
        }
        perform(actions)
    }

    func stateUpdated(_ update: StateUpdate, from handle: EntryHandle) {
        perform(
            pool.stateUpdated(
                handle, to: ProviderState(update.state), slotsFree: update.slotsFree, slotsTotal: update.slotsTotal,
                now: environment.now))
    }

    private func fields(of handle: EntryHandle) -> LogRecord.Fields {
        guard let entry = pool[handle] else { return [] }
        return [
            ("provider_id", .string(entry.profile.providerID)), ("assigned_id", .string(entry.sessionID.text)),
        ]
    }
}

extension ProviderState {
    init(_ reported: ReportedState) {
        self =
            switch reported {
            case .ready: .ready
            case .busy: .busy
            case .degraded: .degraded
            case .draining: .draining
            case .unavailable: .unavailable
            }
    }
}

extension ProviderProfile {
    init(_ description: ProviderDescription) {
        self.init(
            providerID: description.providerID, hostname: description.hostname, modelID: description.modelID,
            modelParamsB: description.modelParamsB, ramGB: description.ramGB,
            maxContextTokens: description.maxContextTokens, maxConcurrency: description.maxConcurrency,
            throughputTPSEstimate: description.throughputTPSEstimate, binaryVersion: description.binaryVersion,
            endpointURL: description.endpointURL)
    }
}

extension SessionRefusal {
    init(_ refusal: AdmissionRefusal) {
        self =
            switch refusal {
            case .banned(let providerID): .banned(providerID: providerID)
            case .poolFull: .poolFull
            case .provisionalPoolFull(let max): .provisionalPoolFull(maximum: max)
            case .provisionalRateLimited(let maxPerHour): .provisionalRateLimited(maximumPerHour: maxPerHour)
            }
    }
}
