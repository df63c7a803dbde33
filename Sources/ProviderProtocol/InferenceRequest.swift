import JSON
package import Primitives

/// `inference_request`: a buyer's request on its way to a provider (docs/protocol.md section 5).
package struct InferenceRequest: Equatable {
    package var requestID: ByteView
    package var stream: Bool
    /// The buyer's body, byte for byte; valid UTF-8.
    package var body: ByteView

    package init(requestID: ByteView, stream: Bool, body: ByteView) {
        self.requestID = requestID
        self.stream = stream
        self.body = body
    }

    init(_ message: JSONValue) throws(MessageError) {
        requestID = try message.requestID()
        stream = try message.flag("stream")
        body = try message.text("body")
    }

    /// Bytes that ``append(to:)`` will write if the body has as many quotes as JSON usually has.
    package var estimatedByteCount: Int { 96 + requestID.count + body.count + body.count / 8 }

    package func append(to queue: inout ByteQueue) {
        queue.append("{\"type\":\"inference_request\",\"request_id\":")
        appendJSONString(requestID, to: &queue)
        queue.append(stream ? ",\"stream\":true,\"body\":" : ",\"stream\":false,\"body\":")
        appendJSONString(body, to: &queue)
        queue.append("}")
    }
}

/// `cancel_request`: the answer is no longer wanted.
package struct CancelRequest: Equatable {
    package enum Reason: WireName {
        case buyerDisconnected, timeout, coordinatorShutdown
        /// A reason that this version does not know.
        case other

        package var name: StaticString {
            switch self {
            case .buyerDisconnected: "buyer_disconnected"
            case .timeout: "timeout"
            case .coordinatorShutdown: "coordinator_shutdown"
            case .other: "other"
            }
        }
    }

    package var requestID: ByteView
    package var reason: Reason

    package init(requestID: ByteView, reason: Reason) {
        self.requestID = requestID
        self.reason = reason
    }

    init(_ message: JSONValue) throws(MessageError) {
        requestID = try message.requestID()
        reason = try message.optionalText("reason").flatMap { Reason(named: $0) } ?? .other
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("cancel_request")
            writer.member("request_id", requestID)
            writer.member("reason", literal: reason.name)
            writer.endObject()
        }
    }
}
