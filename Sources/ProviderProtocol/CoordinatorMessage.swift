package import JSON
package import Primitives

/// A message from the coordinator, as a provider reads it (docs/protocol.md sections 3 to 5). Views are borrowed from
/// the parser: they are valid until it parses again. The coordinator writes by ``HelloAck/append(to:)`` and so on, or
/// by the functions beside this type.
package enum CoordinatorMessage {
    case helloAck(HelloAck)
    case authChallenge(AuthChallenge)
    case authResponse(AuthResponse)
    case preflight(Preflight)
    case inferenceRequest(InferenceRequest)
    case sealedInferenceRequest(SealedFrame)
    case cancelRequest(CancelRequest)
    case drain
    case warmUp
    case rekeyRequest(RekeyRequest)
    case rekeyCommit(RekeyProof)
    case unknown(type: ByteView)

    /// `text` needs the padding that ``JSON/JSONParser/parse(_:)`` asks for. Unknown fields are ignored, and of fields
    /// with the same name the first one counts.
    package static func parse(_ text: ByteView, with parser: JSONParser) throws(MessageError) -> CoordinatorMessage {
        let whole = try Message(text, with: parser)
        let (message, type) = (whole.value, whole.type)
        if type == "inference_request" {
            return message.isSealed
                ? .sealedInferenceRequest(try sealedRequest(message)) : .inferenceRequest(try InferenceRequest(message))
        }
        if type == "cancel_request" { return .cancelRequest(try CancelRequest(message)) }
        if type == "preflight" { return .preflight(try Preflight(message)) }
        if type == "hello_ack" { return .helloAck(try HelloAck(message)) }
        if type == "auth_challenge" { return .authChallenge(try AuthChallenge(message)) }
        if type == "auth_response" { return .authResponse(try AuthResponse(message)) }
        if type == "drain" { return .drain }
        if type == "warm_up" { return .warmUp }
        if type == "aead_rekey_request" { return .rekeyRequest(try RekeyRequest(message)) }
        if type == "aead_rekey_commit" { return .rekeyCommit(try RekeyProof(message)) }
        return .unknown(type: type)
    }

    private static func sealedRequest(_ message: JSONValue) throws(MessageError) -> SealedFrame {
        _ = try message.flag("stream")
        return try SealedFrame(message)
    }
}

@available(*, unavailable) extension CoordinatorMessage: Sendable {}

/// What the coordinator writes in a live session, with its own kind of request id.
extension CoordinatorMessage {
    package static func preflight(requestID: RequestID, estimatedTokens: Int, into queue: inout ByteQueue) {
        requestID.withText { Preflight(requestID: $0, estimatedTokens: estimatedTokens).append(to: &queue) }
    }

    /// See ``InferenceRequest/estimatedByteCount`` for the room that it takes.
    package static func inferenceRequest(
        requestID: RequestID, stream: Bool, body: ByteView, into queue: inout ByteQueue
    ) {
        requestID.withText { InferenceRequest(requestID: $0, stream: stream, body: body).append(to: &queue) }
    }

    package static func cancelRequest(
        requestID: RequestID, reason: CancelRequest.Reason, into queue: inout ByteQueue
    ) {
        requestID.withText { CancelRequest(requestID: $0, reason: reason).append(to: &queue) }
    }

    package static func drain(into queue: inout ByteQueue) { queue.append("{\"type\":\"drain\"}") }
    package static func warmUp(into queue: inout ByteQueue) { queue.append("{\"type\":\"warm_up\"}") }
}
