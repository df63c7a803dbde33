package import Primitives

/// One row of `request_log` (docs/protocol.md, section 12). Of the conversation itself nothing is kept.
package struct RequestRecord: Sendable, Equatable {
    /// When the request ended.
    package var time: WallTime
    package var requestID: String
    package var model: String
    /// The session that had it last; nil when nobody could take it.
    package var assignedID: UniqueID?
    package var providerID: String?
    package var promptTokens: Int?
    package var completionTokens: Int?
    package var totalTokens: Int?
    /// From the whole request to its end.
    package var latency: Duration
    /// From the whole request to the message to the provider that had it last.
    package var routingTime: Duration
    /// As the buyer got it, or would have got it had the answer not begun; 499 when the buyer left.
    package var status: Int
    package var isStream: Bool
    package var buyerHost: String
    /// The error's `code`.
    package var error: String?
    /// `X-MacProvider-Pref`
    package var preference: String?
    /// `X-MacProvider-Provider`
    package var wantedProvider: String?
    package var isRetried: Bool

    package init(
        time: WallTime, requestID: String, model: String, assignedID: UniqueID? = nil, providerID: String? = nil,
        promptTokens: Int? = nil, completionTokens: Int? = nil, totalTokens: Int? = nil, latency: Duration = .zero,
        routingTime: Duration = .zero, status: Int, isStream: Bool, buyerHost: String, error: String? = nil,
        preference: String? = nil, wantedProvider: String? = nil, isRetried: Bool = false
    ) {
        self.time = time
        self.requestID = requestID
        self.model = model
        self.assignedID = assignedID
        self.providerID = providerID
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.totalTokens = totalTokens
        self.latency = latency
        self.routingTime = routingTime
        self.status = status
        self.isStream = isStream
        self.buyerHost = buyerHost
        self.error = error
        self.preference = preference
        self.wantedProvider = wantedProvider
        self.isRetried = isRetried
    }
}
