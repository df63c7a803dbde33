import JSON
package import Primitives

/// The messages of a request under the encrypted leg (docs/protocol.md section 4, "Frames").
extension EncryptedLeg {
    /// What is authenticated with the chunks of one request; kept for as long as the request runs.
    package func chunkAdditionalData(requestID: ByteView, stream: Bool) -> AdditionalData {
        additionalData(.responseChunk, .providerToCoordinator, requestID, stream)
    }

    private func additionalData(
        _ kind: SealedFrame.Kind, _ direction: SealedContent.Direction, _ requestID: ByteView, _ stream: Bool
    ) -> AdditionalData {
        AdditionalData(
            type: kind.name, direction: direction, requestID: requestID, stream: stream, identity: identity)
    }

    // MARK: At the coordinator

    package static func requestByteCount(body: ByteView) -> Int {
        frameByteCount(contentByteCount: jsonStringByteCount(body) + 64)
    }

    /// Appends an `inference_request`.
    package mutating func sealRequest(
        requestID: ByteView, stream: Bool, body: ByteView, _ workspace: LegWorkspace, into queue: inout ByteQueue
    ) throws(LegError) {
        workspace.clear()
        SealedContent.appendRequest(body: body, to: &workspace.content)
        queue.append("{\"type\":\"inference_request\",\"request_id\":")
        appendJSONString(requestID, to: &queue)
        queue.append(
            stream ? ",\"stream\":true,\"encrypted\":true,\"enc\":" : ",\"stream\":false,\"encrypted\":true,\"enc\":")
        try sealer.seal(
            &workspace.content, additionalData(.inferenceRequest, .coordinatorToProvider, requestID, stream),
            into: &queue)
        queue.append("}")
        workspace.clear()
    }

    /// What an `inference_response_chunk` holds. `seq` is nil where chunks do not carry it: they are counted then.
    package mutating func openChunk(
        _ frame: SealedFrame, _ additionalData: borrowing AdditionalData, _ workspace: LegWorkspace
    ) throws(LegError) -> (seq: Int?, data: ByteView) {
        try opener.open(frame.envelope, additionalData, into: &workspace.content)
        guard hasChunkEnvelope else { return (nil, workspace.content.view) }
        do throws(MessageError) {
            let chunk = try SealedContent.chunk(workspace.content.view, with: workspace.parser)
            return (chunk.seq, chunk.data)
        } catch {
            throw .badContent(error)
        }
    }

    /// What an `inference_response_end` holds.
    package mutating func openEnd(
        _ frame: SealedFrame, stream: Bool, _ workspace: LegWorkspace
    ) throws(LegError) -> ResponseEnd {
        try opener.open(
            frame.envelope, additionalData(.responseEnd, .providerToCoordinator, frame.requestID, stream),
            into: &workspace.content)
        do throws(MessageError) {
            let end = try SealedContent.end(workspace.content.view, with: workspace.parser)
            guard end.requestID == frame.requestID else { throw .invalid(field: "request_id") }
            return end
        } catch {
            throw .badContent(error)
        }
    }

    /// Uses up a frame of a request that is over, or never was: whether it streamed is not known any more, so both are
    /// tried. Throws where a frame that matters would have been refused as well.
    package mutating func discard(
        _ frame: SealedFrame, _ kind: SealedFrame.Kind, _ workspace: LegWorkspace
    ) throws(LegError) {
        let streaming = additionalData(kind, .providerToCoordinator, frame.requestID, true)
        do throws(LegError) {
            try opener.open(frame.envelope, streaming, into: &workspace.content)
        } catch .wrongAdditionalData {
            try opener.open(
                frame.envelope, additionalData(kind, .providerToCoordinator, frame.requestID, false),
                into: &workspace.content)
        }
    }

    // MARK: At the provider

    /// What an `inference_request` holds.
    package mutating func openRequest(
        _ frame: SealedFrame, _ workspace: LegWorkspace
    ) throws(LegError) -> InferenceRequest {
        guard let stream = frame.stream else { throw .badContent(.missing(field: "stream")) }
        try opener.open(
            frame.envelope, additionalData(.inferenceRequest, .coordinatorToProvider, frame.requestID, stream),
            into: &workspace.content)
        do throws(MessageError) {
            let body = try SealedContent.requestBody(workspace.content.view, with: workspace.parser)
            return InferenceRequest(requestID: frame.requestID, stream: stream, body: body)
        } catch {
            throw .badContent(error)
        }
    }

    package static func chunkByteCount(data: ByteView) -> Int {
        frameByteCount(contentByteCount: jsonStringByteCount(data) + 96)
    }

    /// Appends an `inference_response_chunk`.
    package mutating func sealChunk(
        _ chunk: ResponseChunk, _ additionalData: borrowing AdditionalData, _ workspace: LegWorkspace,
        into queue: inout ByteQueue
    ) throws(LegError) {
        workspace.clear()
        if hasChunkEnvelope {
            SealedContent.appendChunk(seq: chunk.seq, data: chunk.data, to: &workspace.content)
        } else {
            workspace.content.append(chunk.data)
        }
        queue.append("{\"type\":\"inference_response_chunk\",\"request_id\":")
        appendJSONString(chunk.requestID, to: &queue)
        queue.append(",\"encrypted\":true,\"enc\":")
        try sealer.seal(&workspace.content, additionalData, into: &queue)
        queue.append("}")
        workspace.clear()
    }

    /// Appends an `inference_response_end`.
    package mutating func sealEnd(
        _ end: ResponseEnd, stream: Bool, _ workspace: LegWorkspace, into queue: inout ByteQueue
    ) throws(LegError) {
        workspace.clear()
        end.append(to: &workspace.content)
        queue.append("{\"type\":\"inference_response_end\",\"request_id\":")
        appendJSONString(end.requestID, to: &queue)
        queue.append(",\"encrypted\":true,\"enc\":")
        try sealer.seal(
            &workspace.content, additionalData(.responseEnd, .providerToCoordinator, end.requestID, stream),
            into: &queue)
        queue.append("}")
        workspace.clear()
    }
}
