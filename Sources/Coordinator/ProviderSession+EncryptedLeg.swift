import Environment
import Pool
import Primitives
import ProviderProtocol
import WebSocketCodec

/// Requests and their answers in version 2: sealed on the way out, opened on the way in (docs/protocol.md, section 4).
extension ProviderSession {
    func sendSealedRequest(_ id: RequestID, stream: Bool, body: ByteView, _ leg: ProviderLeg) throws(SendRefusal) {
        // Asked before sealing: a frame that is then not sent would leave a gap in the numbers.
        let byteCount = EncryptedLeg.requestByteCount(body: body)
        let limits = coordinator.settings.providerLink.writer
        guard byteCount <= limits.messageByteCount else { throw .tooBig }
        guard byteCount <= limits.waitingByteCount - writer.waitingByteCount else { throw .backpressure }
        var failure: LegError?
        try queueRequest(estimatedByteCount: byteCount) { queue in
            do throws(LegError) { try leg.sealRequest(id, stream: stream, body: body, into: &queue) } catch {
                failure = error
            }
        }
        if let failure {
            legFailed(failure, nil)
            throw .closing
        }
        rekeyIfDue()
    }

    @inline(__always)
    func sealedChunkReceived(_ frame: SealedFrame, now: MonotonicInstant) {
        guard let leg else { return ignored("unexpected", "a sealed frame in a session in the clear") }
        guard let request = request(frame.requestID) else { return discard(frame, .responseChunk, leg) }
        do throws(LegError) {
            let chunk = try leg.openChunk(frame, request.chunkContext(leg))
            request.chunkReceived(
                ResponseChunk(
                    requestID: frame.requestID, seq: chunk.seq ?? request.chunksReceived, data: chunk.data),
                now: now)
        } catch {
            legFailed(error, request)
        }
    }

    func sealedEndReceived(_ frame: SealedFrame) {
        guard let leg else { return ignored("unexpected", "a sealed frame in a session in the clear") }
        guard let request = request(frame.requestID) else { return discard(frame, .responseEnd, leg) }
        do throws(LegError) {
            request.endReceived(try leg.openEnd(frame, stream: request.chat.stream))
        } catch {
            legFailed(error, request)
        }
    }

    private func discard(_ frame: SealedFrame, _ kind: SealedFrame.Kind, _ leg: ProviderLeg) {
        do throws(LegError) {
            try leg.discard(frame, kind)
            coordinator.metrics.chunksUnknown += 1
            coordinator.log(.warn, "chunk_for_unknown_request", [("provider_id", .string(providerID))])
        } catch {
            legFailed(error, nil)
        }
    }

    /// A frame did not open, or none could be made: the session has no secrets any more that are worth keeping.
    private func legFailed(_ error: LegError, _ request: Relay?) {
        coordinator.metrics.sealedFramesRefused += 1
        coordinator.log(
            .error, "sealed_frame_refused",
            logFields(nil) + [
                ("request_id", .string(request?.id.text ?? "")), ("reason", .string(error.name.description)),
            ])
        // The request that fails must neither let its buyer's next one in here nor begin an exchange of keys.
        leg?.rekeyAbandoned()
        if let handle { coordinator.pool.setDispatchSuspended(handle, true) }
        request?.failed(.sealBroken)
        close(SessionRefusal.keyExchangeFailed.closeCode, SessionRefusal.keyExchangeFailed.reason)
    }

    /// An answer in the clear where only sealed ones are taken.
    func clearAnswerReceived() {
        coordinator.metrics.sealedFramesRefused += 1
        coordinator.log(.error, "clear_frame_refused", logFields(nil))
        close(SessionRefusal.encryptedLegRequired.closeCode, SessionRefusal.encryptedLegRequired.reason)
    }
}
