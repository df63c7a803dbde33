import Environment
import Primitives
import ProviderProtocol

extension AgentSession {
    /// One text message from the coordinator. Malformed and unknown ones are logged and do no harm.
    func messageReceived(_ text: ByteView) {
        let message: CoordinatorMessage
        do throws(MessageError) {
            message = try CoordinatorMessage.parse(text, with: parser)
        } catch {
            environment.log(LogRecord(.warn, "message_malformed", [("error", .string("\(error)"))]))
            return
        }
        switch message {
        case .helloAck(let ack): helloAcknowledged(ack)
        case .preflight(let preflight): answer(preflight)
        case .inferenceRequest(let request): if leg == nil { start(request) } else { clearRequestReceived() }
        case .cancelRequest(let cancel): cancelled(cancel)
        case .drain: drainRequested()
        case .warmUp: warmUpRequested()
        case .sealedInferenceRequest(let frame): sealedRequestReceived(frame)
        case .authChallenge(let challenge): challengeReceived(challenge)
        case .authResponse(let response): authResponseReceived(response)
        case .rekeyRequest(let request): rekeyRequested(request)
        case .rekeyCommit(let proof): rekeyCommitted(proof)
        case .unknown(let type): refuse(type.prefix(64).string, code: "unknown_message_type")
        }
    }

    private var isServing: Bool {
        switch stage {
        case .live, .draining: true
        case .upgrading, .greeting, .closing, .ended: false
        }
    }

    private func helloAcknowledged(_ ack: HelloAck) {
        guard stage == .greeting, !isEncrypted else {
            environment.log(LogRecord(.warn, "hello_ack_unexpected"))
            return
        }
        isLive(ack)
    }

    /// The coordinator has accepted the greeting.
    func isLive(_ ack: HelloAck) {
        stage = .live
        // A coordinator that asks for a heartbeat every millisecond, or never, is not followed.
        heartbeatInterval = .milliseconds(Int64(min(max(ack.heartbeatIntervalSeconds, 1), 3600) * 1000))
        nextHeartbeat = environment.now + heartbeatInterval
        // The greeting makes a provider ready; say so at once if it is not.
        if availability != .ready { sendState() }
        owner.sessionIsLive(self, ack)
    }

    func refuse(_ type: String, requestID: ByteView? = nil, code: StaticString) {
        environment.log(
            LogRecord(.warn, "message_refused", [("type", .string(type)), ("code", .string(code.description))]))
        withByteView(type) { type in
            let nak = Nak(inReplyTo: type, requestID: requestID, code: ByteView(code))
            queue { nak.append(to: &$0) }
        }
    }

    private func answer(_ preflight: Preflight) {
        guard isServing else { return }
        let answer: PreflightAck.Answer =
            if case .draining = stage {
                .refused(.draining)
            } else if availability != .ready {
                .refused(.unhealthy)
            } else if preflight.estimatedTokens > settings.maxContextTokens {
                .refused(.contextExceedsCapacity)
            } else if requests.count >= settings.slots {
                .refused(.queueFull)
            } else {
                .accepted(estimatedWaitMilliseconds: 0)
            }
        let ack = PreflightAck(requestID: preflight.requestID, answer: answer)
        queue { ack.append(to: &$0) }
    }

    private func warmUpRequested() {
        guard isServing else { return }
        environment.log(LogRecord(.info, "warm_up_requested"))
        owner.warmUpRequested()
    }

    // MARK: State

    private var reportedState: ReportedState {
        if case .draining = stage { return .draining }
        return availability == .ready ? .ready : .degraded
    }

    private var freeSlots: Int { max(0, settings.slots - requests.count) }

    /// The engine's state is known anew. `isAsked`: the coordinator waits for a word even if nothing has changed.
    func setAvailability(_ availability: Availability, isAsked: Bool = false) {
        guard isAsked || availability != self.availability else { return }
        self.availability = availability
        if isServing { sendState() }
    }

    /// A provider is never `busy` by its own word: the coordinator counts slots itself, and a `busy` that is taken back
    /// half a second late would keep work away from a free slot.
    private func sendState() {
        let reason = if case .degraded(let reason) = availability { reason } else { "" }
        let since = environment.wallTime.rfc3339
        withByteView(reason) { reason in
            withByteView(since) { since in
                let update = StateUpdate(
                    state: reportedState, reason: reason.isEmpty ? nil : reason, since: since, slotsFree: freeSlots,
                    slotsTotal: settings.slots)
                queue { update.append(to: &$0) }
            }
        }
    }

    func heartbeatDeadlineReached(now: MonotonicInstant) {
        guard isServing, now >= nextHeartbeat else { return }
        // Missed ones (the machine slept) are not made up for.
        nextHeartbeat = now + heartbeatInterval
        let interval = owner.throughput.takeInterval()
        let estimate = owner.throughput.tokensPerSecond
        withByteView(model) { model in
            let heartbeat = Heartbeat(
                status: reportedState, modelID: model, modelParamsB: settings.modelParamsB, ramGB: settings.ramGB,
                maxContextTokens: settings.maxContextTokens, maxConcurrency: settings.slots, slotsFree: freeSlots,
                slotsTotal: settings.slots, throughputTPSEstimate: estimate,
                requestsServedSinceLast: interval.requestsServed,
                averageLatencyMillisecondsSinceLast: interval.averageLatencyMilliseconds,
                throughputTPSSinceLast: interval.tokensPerSecond)
            queue { heartbeat.append(to: &$0) }
        }
    }
}
