package import JSON
package import Primitives

/// A message from a provider (docs/protocol.md sections 3 to 5). Views are borrowed from the parser: they are valid
/// until it parses again.
package enum ProviderMessage {
    case hello(ProviderHello)
    case authRequest(AuthRequest)
    case heartbeat(Heartbeat)
    case stateUpdate(StateUpdate)
    case drainStatus(DrainStatus)
    case preflightAck(PreflightAck)
    case chunk(ResponseChunk)
    case end(ResponseEnd)
    case nak(Nak)
    case sealedChunk(SealedFrame)
    case sealedEnd(SealedFrame)
    case rekeyResponse(RekeyResponse)
    case rekeyCommitted(RekeyProof)
    case unknown(type: ByteView)

    /// `text` needs the padding that ``JSON/JSONParser/parse(_:)`` asks for. Unknown fields are ignored, and of fields
    /// with the same name the first one counts.
    package static func parse(_ text: ByteView, with parser: JSONParser) throws(MessageError) -> ProviderMessage {
        let message = try Message(text, with: parser)
        if message.type == "inference_response_chunk" { return try parseChunk(message.value) }
        return try parseOther(message.value, type: message.type)
    }

    @inline(never) private static func parseOther(
        _ message: JSONValue, type: ByteView
    ) throws(MessageError) -> ProviderMessage {
        if type == "inference_response_end" {
            return message.isSealed ? .sealedEnd(try SealedFrame(message)) : .end(try ResponseEnd(message))
        }
        if type == "heartbeat" { return .heartbeat(try Heartbeat(message)) }
        if type == "preflight_ack" { return .preflightAck(try PreflightAck(message)) }
        if type == "state_update" { return .stateUpdate(try StateUpdate(message)) }
        if type == "drain_status" { return .drainStatus(try DrainStatus(message)) }
        if type == "hello" { return .hello(try ProviderHello(message)) }
        if type == "auth_request" { return .authRequest(try AuthRequest(message)) }
        if type == "nak" { return .nak(try Nak(message)) }
        if type == "aead_rekey_response" { return .rekeyResponse(try RekeyResponse(message)) }
        if type == "aead_rekey_committed" { return .rekeyCommitted(try RekeyProof(message)) }
        return .unknown(type: type)
    }
}

@available(*, unavailable) extension ProviderMessage: Sendable {}
