import JSON
package import Primitives

/// `heartbeat` (docs/protocol.md section 5). State and slots are required; providers differ in what else they say, so
/// the rest may be missing or null, but not malformed.
package struct Heartbeat {
    package var status: ReportedState
    package var modelID: ByteView?
    package var modelParamsB: Double?
    package var ramGB: Double?
    package var maxContextTokens: Int?
    package var maxConcurrency: Int?
    /// 0 ... 1,024, as concurrency is bounded.
    package var slotsFree: Int
    package var slotsTotal: Int
    package var throughputTPSEstimate: Double?
    package var requestsServedSinceLast: Int?
    /// nil when nothing was served, as the next one.
    package var averageLatencyMillisecondsSinceLast: Double?
    package var throughputTPSSinceLast: Double?

    static let slotRange = 0...1024

    package init(
        status: ReportedState, modelID: ByteView? = nil, modelParamsB: Double? = nil, ramGB: Double? = nil,
        maxContextTokens: Int? = nil, maxConcurrency: Int? = nil, slotsFree: Int, slotsTotal: Int,
        throughputTPSEstimate: Double? = nil, requestsServedSinceLast: Int? = nil,
        averageLatencyMillisecondsSinceLast: Double? = nil, throughputTPSSinceLast: Double? = nil
    ) {
        self.status = status
        self.modelID = modelID
        self.modelParamsB = modelParamsB
        self.ramGB = ramGB
        self.maxContextTokens = maxContextTokens
        self.maxConcurrency = maxConcurrency
        self.slotsFree = slotsFree
        self.slotsTotal = slotsTotal
        self.throughputTPSEstimate = throughputTPSEstimate
        self.requestsServedSinceLast = requestsServedSinceLast
        self.averageLatencyMillisecondsSinceLast = averageLatencyMillisecondsSinceLast
        self.throughputTPSSinceLast = throughputTPSSinceLast
    }

    init(_ message: JSONValue) throws(MessageError) {
        status = try message.choice("status", ReportedState.self)
        modelID = try message.optionalText("model_id", in: 1...256)
        modelParamsB = try message.optionalNumber("model_params_b")
        ramGB = try message.optionalNumber("ram_gb")
        maxContextTokens = try message.optionalInteger("max_context_tokens", in: 1...Int.max)
        maxConcurrency = try message.optionalInteger("max_concurrency", in: ProviderDescription.concurrencyRange)
        slotsFree = try message.integer("slots_free", in: Self.slotRange)
        slotsTotal = try message.integer("slots_total", in: Self.slotRange)
        throughputTPSEstimate = try message.optionalNumber("throughput_tps_estimate")
        requestsServedSinceLast = try message.optionalInteger("requests_served_since_last")
        averageLatencyMillisecondsSinceLast = try message.optionalNumber("avg_latency_ms_since_last")
        throughputTPSSinceLast = try message.optionalNumber("throughput_tps_since_last")
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("heartbeat")
            writer.member("status", literal: status.name)
            writer.optionalMember("model_id", modelID)
            writer.optionalMember("model_params_b", modelParamsB)
            writer.optionalMember("ram_gb", ramGB)
            writer.optionalMember("max_context_tokens", maxContextTokens)
            writer.optionalMember("max_concurrency", maxConcurrency)
            writer.member("slots_free", slotsFree)
            writer.member("slots_total", slotsTotal)
            writer.optionalMember("throughput_tps_estimate", throughputTPSEstimate)
            writer.optionalMember("requests_served_since_last", requestsServedSinceLast)
            writer.nullableMember("avg_latency_ms_since_last", averageLatencyMillisecondsSinceLast)
            writer.nullableMember("throughput_tps_since_last", throughputTPSSinceLast)
            writer.endObject()
        }
    }
}
