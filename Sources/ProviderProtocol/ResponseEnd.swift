import JSON
package import Primitives

/// What a request's tokens were, as far as the provider says.
package struct Usage: Sendable, Equatable {
    package var promptTokens: Int?
    package var completionTokens: Int?
    package var totalTokens: Int?

    package init(promptTokens: Int? = nil, completionTokens: Int? = nil, totalTokens: Int? = nil) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.totalTokens = totalTokens
    }
}

package enum EndStatus: WireName {
    case complete, cancelled, errorModelNotLoaded, errorContextExceeded, errorQueueFull, errorInternal

    package var name: StaticString {
        switch self {
        case .complete: "complete"
        case .cancelled: "cancelled"
        case .errorModelNotLoaded: "error_model_not_loaded"
        case .errorContextExceeded: "error_context_exceeded"
        case .errorQueueFull: "error_queue_full"
        case .errorInternal: "error_internal"
        }
    }
}

/// `inference_response_end`: the last message of an answer (docs/protocol.md sections 5 and 7).
package struct ResponseEnd: Equatable {
    package var requestID: ByteView
    package var status: EndStatus
    package var chunksSent: Int?
    package var usage: Usage?
    /// What the provider said about its failure: for the log, never for the buyer.
    package var errorMessage: ByteView?

    package init(
        requestID: ByteView, status: EndStatus, chunksSent: Int? = nil, usage: Usage? = nil,
        errorMessage: ByteView? = nil
    ) {
        self.requestID = requestID
        self.status = status
        self.chunksSent = chunksSent
        self.usage = usage
        self.errorMessage = errorMessage
    }

    init(_ message: JSONValue) throws(MessageError) {
        requestID = try message.requestID()
        status = try message.choice("status", EndStatus.self)
        chunksSent = try message.optionalInteger("chunks_sent")
        if let usage = try message.optionalObject("usage") {
            self.usage = Usage(
                promptTokens: try usage.optionalInteger("prompt_tokens", in: 0...Int.max, "usage.prompt_tokens"),
                completionTokens: try usage.optionalInteger(
                    "completion_tokens", in: 0...Int.max, "usage.completion_tokens"),
                totalTokens: try usage.optionalInteger("total_tokens", in: 0...Int.max, "usage.total_tokens"))
        }
        errorMessage = try Self.errorMessage(message)
    }

    /// Written as a text or as an object with a `message`.
    private static func errorMessage(_ message: JSONValue) throws(MessageError) -> ByteView? {
        guard let error = message["error"] else { return nil }
        switch error.kind {
        case .null: return nil
        case .string: return error.string
        case .object: return try error.optionalText("message", in: 0...Int.max, "error.message")
        default: throw .invalid(field: "error")
        }
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("inference_response_end")
            writer.member("request_id", requestID)
            writer.member("status", literal: status.name)
            writer.optionalMember("chunks_sent", chunksSent)
            if let usage {
                writer.key("usage")
                writer.beginObject()
                writer.optionalMember("prompt_tokens", usage.promptTokens)
                writer.optionalMember("completion_tokens", usage.completionTokens)
                writer.optionalMember("total_tokens", usage.totalTokens)
                writer.endObject()
            }
            if let errorMessage {
                writer.key("error")
                writer.beginObject()
                writer.member("code", literal: status.name)
                writer.member("message", errorMessage)
                writer.endObject()
            }
            writer.endObject()
        }
    }
}
