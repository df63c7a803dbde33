import JSON
package import Primitives

/// `preflight`: the coordinator asks whether a request of this size would be served (docs/protocol.md section 5).
package struct Preflight: Equatable {
    /// `req-…`, or `recovery-probe-…` for a probe.
    package var requestID: ByteView
    package var estimatedTokens: Int

    package init(requestID: ByteView, estimatedTokens: Int) {
        self.requestID = requestID
        self.estimatedTokens = estimatedTokens
    }

    init(_ message: JSONValue) throws(MessageError) {
        requestID = try message.requestID()
        estimatedTokens = try message.integer("estimated_tokens")
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("preflight")
            writer.member("request_id", requestID)
            writer.member("estimated_tokens", estimatedTokens)
            writer.endObject()
        }
    }
}

/// `preflight_ack`: the provider's answer.
package struct PreflightAck: Equatable {
    package enum Refusal: WireName {
        case contextExceedsCapacity, queueFull, draining, modelNotLoaded, unhealthy, tierMismatch
        /// A reason that this version does not know; the refusal counts all the same.
        case other

        package var name: StaticString {
            switch self {
            case .contextExceedsCapacity: "context_exceeds_capacity"
            case .queueFull: "queue_full"
            case .draining: "draining"
            case .modelNotLoaded: "model_not_loaded"
            case .unhealthy: "unhealthy"
            case .tierMismatch: "tier_mismatch"
            case .other: "other"
            }
        }
    }

    package enum Answer: Equatable {
        case accepted(estimatedWaitMilliseconds: Double?)
        case refused(Refusal)
    }

    package var requestID: ByteView
    package var answer: Answer

    package init(requestID: ByteView, answer: Answer) {
        self.requestID = requestID
        self.answer = answer
    }

    init(_ message: JSONValue) throws(MessageError) {
        requestID = try message.requestID()
        let accepted = try message.flag("accepted")
        let wait = try message.optionalNumber("estimated_wait_ms")
        let reason = try message.optionalText("reason")
        answer =
            accepted
            ? .accepted(estimatedWaitMilliseconds: wait)
            : .refused(reason.flatMap { Refusal(named: $0) } ?? .other)
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("preflight_ack")
            writer.member("request_id", requestID)
            switch answer {
            case .accepted(let wait):
                writer.member("accepted", true)
                writer.optionalMember("estimated_wait_ms", wait)
            case .refused(let reason):
                writer.member("accepted", false)
                writer.member("reason", literal: reason.name)
            }
            writer.endObject()
        }
    }
}
