package import Environment
package import Primitives
import ProviderProtocol
import WebSocketCodec

extension Agent {
    func dial() {
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

    func retry(
        _ event: StaticString, _ fields: LogRecord.Fields, level: LogRecord.Level = .warn
    ) {
        let wait = backoff.failed()
        let all = fields + [("retry_in_s", .double((wait.inSeconds * 10).rounded() / 10))]
        environment.log(LogRecord(level, event, all))
        state = .waiting(environment.schedule(at: environment.now + wait) { [weak self] in self?.dial() })
    }
}

extension Agent: DialTarget {
    package func dialed(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        guard case .dialing = state, let model = health.wanted else { return connection.close() }
        let isEncrypted = settings.encryption != .off && !fallsBack
        fallsBack = false
        let session = AgentSession(
            settings: settings, isEncrypted: isEncrypted, model: model, engine: engine, availability: availability,
            environment: environment, connection: connection, writeHalf: writeHalf, owner: self)
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
                    ("model", .string(session.model)), ("encrypted", .bool(session.leg != nil)),
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
        if session.isEncrypted, since == nil, settings.encryption == .automatic, end.isRefusalOfVersion2 {
            environment.log(LogRecord(.info, "encryption_not_offered"))
            fallsBack = true
            return dial()
        }
        if let since, environment.now - since >= settings.settledInterval { backoff.succeeded() }
        retry("coordinator_lost", end.fields, level: end == .drained ? .info : .warn)
    }
}

extension SessionEnd {
    /// The coordinator does not know `auth_request` (docs/protocol.md, section 2.3).
    fileprivate var isRefusalOfVersion2: Bool {
        if case .closed(CloseCode.unrecognizedAuthMessage.rawValue, _) = self { true } else { false }
    }

    /// For the log.
    var fields: LogRecord.Fields {
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
