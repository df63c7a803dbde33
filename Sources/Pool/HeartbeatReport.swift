package import Primitives

/// The fields of a `heartbeat` (docs/protocol.md 5). Borrowed: valid during the call.
package struct HeartbeatReport {
    package var status: ProviderState
    package var modelID: ByteView
    package var modelParamsB: Double
    package var ramGB: Double
    package var maxContextTokens: Int
    package var maxConcurrency: Int
    package var slotsFree: Int
    package var slotsTotal: Int
    package var throughputTPSEstimate: Double
    package var activity: ReportedActivity

    package init(
        status: ProviderState, modelID: ByteView, modelParamsB: Double, ramGB: Double, maxContextTokens: Int,
        maxConcurrency: Int, slotsFree: Int, slotsTotal: Int, throughputTPSEstimate: Double,
        activity: ReportedActivity = ReportedActivity()
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
        self.activity = activity
    }
}

/// What a provider says it did since its heartbeat before. For people to read; nothing is decided by it.
package struct ReportedActivity: Sendable, Equatable {
    package var requestsServed: Int
    package var averageLatencyMS: Double?
    package var throughputTPS: Double?

    package init(requestsServed: Int = 0, averageLatencyMS: Double? = nil, throughputTPS: Double? = nil) {
        self.requestsServed = requestsServed
        self.averageLatencyMS = averageLatencyMS
        self.throughputTPS = throughputTPS
    }
}
