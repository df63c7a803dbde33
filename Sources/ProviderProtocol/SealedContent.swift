package import JSON
package import Primitives

/// The JSON that is sealed into an ``EncryptedEnvelope`` or authenticated with it (docs/protocol.md section 4).
package enum SealedContent {
    package enum Direction: Sendable {
        case coordinatorToProvider, providerToCoordinator

        package var name: StaticString {
            switch self {
            case .coordinatorToProvider: "c2p"
            case .providerToCoordinator: "p2c"
            }
        }
    }

    /// The additional authenticated data: these keys in this order, no spaces, since both sides compare the bytes.
    package static func appendAdditionalData(
        type: StaticString, direction: Direction, requestID: ByteView, stream: Bool, providerID: String,
        assignedID: String, seq: Int, to queue: inout ByteQueue
    ) {
        queue.appendJSON { writer in
            writer.begin(type)
            writer.member("direction", literal: direction.name)
            writer.member("request_id", requestID)
            writer.member("stream", stream)
            writer.member("provider_id", providerID)
            writer.member("assigned_id", assignedID)
            writer.member("seq", seq)
            writer.endObject()
        }
    }

    package static func appendRequest(body: ByteView, to queue: inout ByteQueue) {
        queue.append("{\"type\":\"inference_request_plaintext\",\"body\":")
        appendJSONString(body, to: &queue)
        queue.append("}")
    }

    /// The body of an opened `inference_request`.
    package static func requestBody(_ plaintext: ByteView, with parser: JSONParser) throws(MessageError) -> ByteView {
        try parse(plaintext, type: "inference_request_plaintext", with: parser).text("body")
    }

    package static func appendChunk(seq: Int, data: ByteView, to queue: inout ByteQueue) {
        queue.append("{\"type\":\"inference_response_chunk_plaintext\",\"seq\":")
        queue.append(decimal: seq)
        queue.append(",\"data\":")
        appendJSONString(data, to: &queue)
        queue.append("}")
    }

    /// What an opened `inference_response_chunk` holds where the envelope capability was agreed.
    package static func chunk(
        _ plaintext: ByteView, with parser: JSONParser
    ) throws(MessageError) -> (seq: Int, data: ByteView) {
        let value = try parse(plaintext, type: "inference_response_chunk_plaintext", with: parser)
        return (try value.integer("seq"), try value.text("data"))
    }

    /// What an opened `inference_response_end` holds.
    package static func end(_ plaintext: ByteView, with parser: JSONParser) throws(MessageError) -> ResponseEnd {
        try ResponseEnd(parse(plaintext, type: "inference_response_end", with: parser))
    }

    private static func parse(
        _ plaintext: ByteView, type: StaticString, with parser: JSONParser
    ) throws(MessageError) -> JSONValue {
        let message = try Message(plaintext, with: parser)
        guard message.type == type else { throw .invalid(field: "type") }
        return message.value
    }
}
