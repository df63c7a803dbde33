import Environment
import Primitives
import ProviderProtocol
import WebSocketCodec

extension AgentSession {
    func start(_ inference: InferenceRequest) {
        switch stage {
        case .live: break
        case .draining: return refuse(inference, .errorQueueFull, "the provider is draining")
        case .upgrading, .greeting, .closing, .ended: return
        }
        let request = AgentRequest(
            id: inference.requestID, isStreaming: inference.stream, session: self, now: environment.now)
        guard requests[request.id] == nil else {
            environment.log(LogRecord(.warn, "request_repeated", [("request_id", .string(request.id))]))
            return
        }
        guard requests.count < settings.slots else {
            return refuse(inference, .errorQueueFull, "all \(settings.slots) slots are taken")
        }
        requests[request.id] = request
        request.engineID = engine.start(
            EngineRequest(body: inference.body, isStreaming: inference.stream), reply: request)
    }

    private func refuse(_ inference: InferenceRequest, _ status: EndStatus, _ message: String) {
        withByteView(message) { message in
            queue(
                ResponseEnd(requestID: inference.requestID, status: status, chunksSent: 0, errorMessage: message),
                stream: inference.stream)
        }
    }

    /// The end of an answer, sealed where all is.
    private func queue(_ end: ResponseEnd, stream: Bool) {
        guard let leg else { return queue { end.append(to: &$0) } }
        var failure: LegError?
        queue { queue in
            do throws(LegError) {
                try leg.leg.sealEnd(end, stream: stream, leg.workspace, into: &queue)
            } catch {
                failure = error
            }
        }
        if let failure { legFailed("an answer cannot be sealed: \(failure.name)") }
    }

    func cancelled(_ cancel: CancelRequest) {
        // An answer that has just finished cannot be cancelled any more; its end is on the way.
        guard let request = requests[cancel.requestID.string] else { return }
        engine.cancel(request.engineID)
        finish(request, .cancelled)
    }

    // MARK: From the engine

    /// One chunk, at once and unchanged.
    func relay(_ data: ByteView, of request: AgentRequest) {
        guard requests[request.id] === request else { return }
        if request.firstDataAt == nil { request.firstDataAt = environment.now }
        let usage = request.isStreaming ? usageScanner.usage(inEvent: data) : usageScanner.usage(inBody: data)
        if let usage { request.usage = usage }
        let refusal: FrameWriter.Refusal? = request.idBytes.withUnsafeBytes { id in
            let chunk = ResponseChunk(requestID: ByteView(id), seq: request.chunkCount, data: data)
            do throws(FrameWriter.Refusal) {
                if let leg {
                    try queueSealed(chunk, of: request, leg)
                } else {
                    try writer?.queueText(estimatedByteCount: chunk.estimatedByteCount) { chunk.append(to: &$0) }
                }
                return nil
            } catch {
                return error
            }
        }
        switch refusal {
        case nil:
            request.chunkCount += 1
            connection.requestFlush()
            pauseEngineIfFull()
        case .closing:
            break
        case .messageTooBig:
            abandon(request, "a piece of the answer is longer than a message may be")
        case .backpressure, .tooManyPongs:
            abandon(request, "the coordinator does not read")
        }
    }

    private func queueSealed(
        _ chunk: ResponseChunk, of request: AgentRequest, _ leg: AgentLeg
    ) throws(FrameWriter.Refusal) {
        guard let waitingByteCount = writer?.waitingByteCount else { return }
        // Asked before sealing: a frame that is then not sent would leave a gap in the numbers.
        let byteCount = leg.chunkByteCount(chunk.data)
        guard byteCount <= settings.writerLimits.messageByteCount else { throw .messageTooBig }
        guard byteCount <= settings.writerLimits.waitingByteCount - waitingByteCount else { throw .backpressure }
        var failure: LegError?
        try writer?.queueText(estimatedByteCount: byteCount) { queue in
            do throws(LegError) { try leg.sealChunk(chunk, of: request, into: &queue) } catch { failure = error }
        }
        guard let failure else { return }
        legFailed("an answer cannot be sealed: \(failure.name)")
        throw .closing
    }

    func engineFinished(_ request: AgentRequest, _ result: EngineResult) {
        guard requests[request.id] === request else { return }
        switch result {
        case .complete:
            let now = environment.now
            owner.throughput.served(
                tokenCount: request.tokenCount, latency: now - request.startedAt,
                generation: now - (request.isStreaming ? request.firstDataAt ?? now : request.startedAt))
            finish(request, .complete)
        case .failed(let failure):
            environment.log(
                LogRecord(
                    .warn, "engine_request_failed",
                    [
                        ("request_id", .string(request.id)), ("status", .string(failure.endStatus.name.description)),
                        ("error", .string(failure.message)),
                    ]))
            finish(request, failure.endStatus, failure.message)
            owner.engineFailed(failure)
        }
    }

    private func abandon(_ request: AgentRequest, _ message: String) {
        engine.cancel(request.engineID)
        finish(request, .errorInternal, message)
    }

    private func finish(_ request: AgentRequest, _ status: EndStatus, _ message: String? = nil) {
        requests[request.id] = nil
        withByteView(request.idBytes) { id in
            withByteView(message ?? "") { text in
                let end = ResponseEnd(
                    requestID: id, status: status, chunksSent: request.chunkCount, usage: request.usage,
                    errorMessage: message == nil ? nil : text)
                queue(end, stream: request.isStreaming)
            }
        }
        requestFinished()
        updateDeadline()
    }

    /// The session ends: nobody waits for these answers any more.
    func abortRequests() {
        let aborted = requests.values
        requests = [:]
        for request in aborted { engine.cancel(request.engineID) }
        if engineIsPaused {
            engineIsPaused = false
            engine.resume()
        }
    }

    /// Stops what is in flight, with a word for each.
    func abandonRequests(_ message: String) {
        for request in requests.values { abandon(request, message) }
    }

    // MARK: Back-pressure

    private func pauseEngineIfFull() {
        guard !engineIsPaused, waitsAbove(share: 1) else { return }
        engineIsPaused = true
        engine.pause()
    }

    func resumeEngineIfDrained() {
        guard engineIsPaused, !waitsAbove(share: 2) else { return }
        engineIsPaused = false
        engine.resume()
    }

    /// Whether more waits for the coordinator than the high water divided by `share`.
    private func waitsAbove(share: Int) -> Bool {
        (writer?.waitingByteCount ?? 0) > settings.highWaterByteCount / share
            || (writer?.waitingMessageCount ?? 0) > settings.highWaterMessageCount / share
    }
}
