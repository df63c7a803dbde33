import Coordinator
import JSON
import Primitives

/// What a provider of a swarm says and hears.
extension SwarmProvider {
    // MARK: Sending

    func sendFrame(opcode: UInt8, _ payload: ByteView, isMasked: Bool = true) {
        let key = UInt32(truncatingIfNeeded: random.next())
        SwarmText.appendFrame(opcode: opcode, payload, key: key, isMasked: isMasked, to: &waiting)
        connection?.requestFlush()
    }

    func sendText(_ body: (inout ByteQueue) -> Void) {
        message.truncate(to: 0)
        body(&message)
        sendFrame(opcode: RawFrame.text, message.view)
        message.consume(message.count)
    }

    func sendPing() {
        lastPing += 1
        pings.append((lastPing, now))
        withUnsafeBytes(of: lastPing.littleEndian) { sendFrame(opcode: RawFrame.ping, ByteView($0)) }
    }

    func greet() {
        if strikes(.badHello) {
            misbehaves(.badHello)
            return sendText { $0.append("{\"type\":\"hello\",\"version\":1,\"tier\":2,\"provider_id\":\"?\"}") }
        }
        if strikes(.nextVersion) {
            misbehaves(.nextVersion)
            return sendText { $0.append("{\"type\":\"auth_request\",\"version\":2,\"stage\":\"initial\"}") }
        }
        if random.chance(0.2) { sendPing() }
        if let leg {
            guard swarm.settings.tier2.requiresEncryptedLeg, strikes(.downgrade) else { return greet(leg) }
            misbehaves(.downgrade)
            leg.mustEndBy = now + swarm.longestWay
        }
        sendText {
            $0.append("{\"type\":\"hello\",\"version\":1,\"tier\":1,\"provider_id\":\"p")
            $0.append(decimal: index)
            $0.append("\",\"hostname\":\"host.test\",\"binary_version\":\"1.2.0\",\"attestation\":null,")
            $0.append("\"endpoint_url\":null,")
            appendDescription(to: &$0)
            $0.append("}")
        }
        if random.chance(0.1) { sendPing() }
    }

    private func appendDescription(to text: inout ByteQueue) {
        text.append("\"model_id\":\"")
        text.append(SwarmText.models[model])
        text.append("\",\"model_params_b\":7,\"ram_gb\":16,\"max_context_tokens\":200000,\"max_concurrency\":")
        text.append(decimal: slots)
        text.append(",\"throughput_tps_estimate\":20")
    }

    func sendHeartbeat(status: StaticString = "ready") {
        let free = max(0, slots - jobs.count - swarm.forwarder.runningCount(of: index))
        sendText {
            $0.append("{\"type\":\"heartbeat\",\"status\":\"")
            $0.append(status)
            $0.append("\",")
            appendDescription(to: &$0)
            $0.append(",\"slots_free\":")
            $0.append(decimal: free)
            $0.append(",\"slots_total\":")
            $0.append(decimal: slots)
            $0.append(",\"requests_served_since_last\":0,\"avg_latency_ms_since_last\":null,")
            $0.append("\"throughput_tps_since_last\":null}")
        }
        nextHeartbeat = now + .seconds(30)
    }

    func sendState(_ state: StaticString) {
        sendText {
            $0.append("{\"type\":\"state_update\",\"state\":\"")
            $0.append(state)
            $0.append("\",\"reason\":\"test\",\"since\":\"2026-01-01T00:00:00Z\",\"metrics_snapshot\":{\"slots_free\":")
            $0.append(decimal: max(0, slots - jobs.count))
            $0.append(",\"slots_total\":")
            $0.append(decimal: slots)
            $0.append("}}")
        }
    }

    func sendChunk(id: ByteView, seq: Int, _ data: ByteView) {
        swarm.chunkSent()
        if let leg {
            let stream = attempt(id)?.request.stream ?? true
            return sendSealedChunk(leg, id: id, seq: seq, data, stream: stream)
        }
        sendText {
            $0.append("{\"type\":\"inference_response_chunk\",\"request_id\":\"")
            $0.append(id)
            $0.append("\",\"seq\":")
            $0.append(decimal: seq)
            $0.append(",\"data\":")
            SwarmText.appendQuoted(data, to: &$0)
            $0.append("}")
        }
    }

    func sendEnd(id: ByteView, status: StaticString, count: Int) {
        if let leg {
            let stream = attempt(id)?.request.stream ?? true
            return sendSealedEnd(leg, id: id, status: status, count: count, stream: stream)
        }
        sendText {
            $0.append("{\"type\":\"inference_response_end\",\"request_id\":\"")
            $0.append(id)
            $0.append("\",\"status\":\"")
            $0.append(status)
            $0.append("\",\"chunks_sent\":")
            $0.append(decimal: count)
            $0.append(",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}")
        }
    }

    // MARK: Receiving

    func messageReceived(_ text: ByteView) {
        let root: JSONValue
        do throws(JSONError) {
            root = try swarm.parser.parse(copying: text)
        } catch {
            return swarm.fail("\(name) got what is not JSON: \(text.prefix(80).string)")
        }
        guard let type = root["type"]?.string else { return swarm.fail("\(name) got a message without a type") }
        guard phase == .live || type == "hello_ack" || type.hasPrefix("auth_") || phase == .closing else {
            return swarm.fail("\(name) got \(type.string) before it was greeted")
        }
        let id = root["request_id"]?.string ?? .empty
        if leg != nil, root["enc"] != nil || type.hasPrefix("auth_") || type.hasPrefix("aead_") {
            legMessageReceived(text)
        } else if type == "hello_ack" {
            if leg != nil { return swarm.fail("\(name) was let in in the clear") }
            live(as: root["assigned_id"]?.string ?? .empty)
        } else if type == "inference_request" {
            if leg != nil { return swarm.fail("\(name) got a request in the clear") }
            requestReceived(id, body: root["body"]?.string ?? .empty, stream: root["stream"]?.bool)
        } else if type == "cancel_request" {
            cancelReceived(id, reason: root["reason"]?.string ?? .empty)
        } else if type == "preflight" {
            preflightReceived(id)
        } else if type == "warm_up" {
            swarm.note(.provider, index, "gets warm_up")
            sendState("ready")
        } else if type == "drain" {
            swarm.note(.provider, index, "gets drain")
            if !swarm.isDraining && !isTouched && !isOrphaned { swarm.fail("\(name) was told to drain") }
            if random.chance(0.5) { sendDrainStatus("starting") }
        } else if type == "auth_challenge" || type == "auth_response" {
            if phase == .live { return swarm.fail("\(name) is asked for a key") }
            swarm.note(.provider, index, "gets auth")
        } else {
            swarm.fail("\(name) got a message of type \(type.prefix(40).string)")
        }
    }

    func sendDrainStatus(_ phase: StaticString) {
        sendText {
            $0.append("{\"type\":\"drain_status\",\"phase\":\"")
            $0.append(phase)
            $0.append("\",\"inflight_requests\":0,\"estimated_drain_seconds\":1}")
        }
    }

    func requestReceived(_ id: ByteView, body: ByteView, stream: Bool?) {
        if endpointURL != nil { return swarm.fail("\(name) got a request that its endpoint should have got") }
        guard let number = SwarmText.requestNumber(in: body), number < swarm.requests.count else {
            return swarm.fail("\(name) got a request that nobody made")
        }
        let request = swarm.requests[number]
        guard withByteView(request.body, { $0 == body }) else {
            return swarm.fail("\(name) got request \(number) with another body")
        }
        guard stream == request.stream else { return swarm.fail("\(name) got request \(number) with another stream") }
        guard attempt(id) == nil else { return swarm.fail("\(name) got the id \(id.string) twice") }
        checkSlots()
        let attempt = SwarmAttempt(
            request: request, number: request.attempts.count, provider: index, id: id.array, now: now)
        attempt.generation = leg?.generation ?? 0
        request.attempts.append(attempt)
        request.progressAt = now
        known.append(attempt)
        swarm.requestDelivered()
        swarm.note(.provider, index, "gets request", number)
        if strikes(.stopsReading, 0.5) { stopReading() }
        begin(attempt)
    }

    /// The coordinator knows of each job here; of those that it gave up, until it may use the slot again.
    private func checkSlots() {
        guard !linkIsFaulty, asleepUntil == nil, !swarm.plan.has(.tightLimits) else { return }
        let busy = jobs.count { job in
            guard let cancelled = job.attempt.cancelledAt else { return true }
            return now - cancelled < swarm.settings.routing.cancelTimeout - .seconds(1)
        }
        if busy >= slots { swarm.fail("\(name) has \(slots) slots and got request \(busy + 1)") }
    }

    func attempt(_ id: ByteView) -> SwarmAttempt? {
        known.last { attempt in withByteView(attempt.id) { $0 == id } }
    }

    private func cancelReceived(_ id: ByteView, reason: ByteView) {
        guard reason == "buyer_disconnected" || reason == "timeout" || reason == "coordinator_shutdown" else {
            return swarm.fail("\(name) got a cancel_request with the reason \(reason.string)")
        }
        guard let attempt = attempt(id) else {
            return swarm.fail("\(name) is to cancel a request that it never got")
        }
        guard attempt.cancelledAt == nil else { return swarm.fail("\(name) is to cancel a request twice") }
        attempt.cancelledAt = now
        swarm.note(.provider, index, "is to cancel", attempt.request.number)
        if !attempt.request.isOver, !attempt.request.isUnread, reason == "buyer_disconnected" {
            swarm.fail("request \(attempt.request.number) is cancelled for a buyer who is there")
        }
        guard jobs.contains(where: { $0.attempt === attempt }) else { return }
        if strikes(.ignoresCancel, 0.5) {
            misbehaves(.ignoresCancel)
            return
        }
        wake(after: .milliseconds(Int.random(in: 0...500, using: &random)))
    }

    private func preflightReceived(_ id: ByteView) {
        swarm.note(.provider, index, "is asked first")
        let isProbe = id.hasPrefix("recovery-probe-")
        guard isProbe || id.hasPrefix("req-") else { return swarm.fail("\(name) got a preflight without an id") }
        if strikes(.ignoresPreflight, 0.3) { return misbehaves(.ignoresPreflight) }
        let isRefused = strikes(.refusesPreflight, 0.3)
        if isRefused { misbehaves(.refusesPreflight) }
        sendText {
            $0.append("{\"type\":\"preflight_ack\",\"request_id\":\"")
            $0.append(id)
            $0.append(isRefused ? "\",\"accepted\":false,\"reason\":\"queue_full\"}" : "\",\"accepted\":true,")
            if !isRefused { $0.append("\"estimated_wait_ms\":0}") }
        }
    }
}
