import JSON
package import Primitives

/// `drain_status`: how far a provider is with finishing its work (docs/protocol.md section 5).
package struct DrainStatus: Equatable {
    package enum Phase: WireName {
        case starting, inProgress, complete

        package var name: StaticString {
            switch self {
            case .starting: "starting"
            case .inProgress: "in_progress"
            case .complete: "complete"
            }
        }
    }

    package var phase: Phase
    package var inflightRequests: Int?
    package var estimatedDrainSeconds: Double?

    package init(phase: Phase, inflightRequests: Int? = nil, estimatedDrainSeconds: Double? = nil) {
        self.phase = phase
        self.inflightRequests = inflightRequests
        self.estimatedDrainSeconds = estimatedDrainSeconds
    }

    init(_ message: JSONValue) throws(MessageError) {
        phase = try message.choice("phase", Phase.self)
        inflightRequests = try message.optionalInteger("inflight_requests")
        estimatedDrainSeconds = try message.optionalNumber("estimated_drain_seconds")
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("drain_status")
            writer.member("phase", literal: phase.name)
            writer.optionalMember("inflight_requests", inflightRequests)
            writer.optionalMember("estimated_drain_seconds", estimatedDrainSeconds)
            writer.endObject()
        }
    }
}
