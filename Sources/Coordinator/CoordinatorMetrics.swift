package import Primitives
import ProviderProtocol

/// What the coordinator counts. Plain numbers on the loop that owns them; read when somebody asks.
package struct CoordinatorMetrics: Sendable {
    package var requestsTotal: UInt64 = 0
    package var requestsDispatched: UInt64 = 0
    package var requestsForwarded: UInt64 = 0
    package var requestsRetried: UInt64 = 0
    package var preflightsSent: UInt64 = 0
    /// Refused, or not answered in time.
    package var preflightsFailed: UInt64 = 0
    package var naksReceived: UInt64 = 0
    /// The model as a provider spelt it, `unknown` if none has, so a buyer cannot make new keys.
    package var requestsByModelAndStatus: [ModelAndStatus: UInt64] = [:]
    /// By status: HTTP requests of either listener that were refused as such.
    package var httpRefusals: [Int: UInt64] = [:]
    package var interChunkGap = Histogram(bounds: Histogram.gapSeconds)
    package var cancellationLatency = Histogram(bounds: Histogram.answerSeconds)
    package var timeToFirstChunk = Histogram(bounds: Histogram.answerSeconds)
    package var requestDuration = Histogram(bounds: Histogram.answerSeconds)
    package var dispatchOverhead = Histogram(bounds: Histogram.overheadSeconds)

    package var chunksRelayed: UInt64 = 0
    /// For requests that are over, or never were.
    package var chunksUnknown: UInt64 = 0
    /// Duplicates, and chunks after a cancellation.
    package var chunksIgnored: UInt64 = 0
    package var chunkCountMismatches: UInt64 = 0
    package var promptTokens: UInt64 = 0
    package var completionTokens: UInt64 = 0

    package var cancellations: UInt64 = 0
    package var cancellationsTimedOut: UInt64 = 0
    package var slowBuyersDropped: UInt64 = 0
    package var buyerWriteDeadlineDrops: UInt64 = 0
    /// Answers cut because the front that they go to was too far behind.
    package var frontBacklogDrops: UInt64 = 0

    package var backpressureRefusals: UInt64 = 0
    package var pongsSent: UInt64 = 0
    package var frameErrors: UInt64 = 0
    package var messagesIgnored: UInt64 = 0
    /// Cancellations and the like for which the link had no room.
    package var messagesNotSent: UInt64 = 0
    package var writeDeadlineDrops: UInt64 = 0
    package var silenceDrops: UInt64 = 0
    package var handshakesRefused: UInt64 = 0
    /// Sealed frames that did not open, and answers in the clear where they must be sealed.
    package var sealedFramesRefused: UInt64 = 0
    package var rekeys: UInt64 = 0
    package var rekeysFailed: UInt64 = 0
    package var closeCodesSent: [UInt16: UInt64] = [:]
    package var closeCodesReceived: [UInt16: UInt64] = [:]

    package init() {}

    package struct ModelAndStatus: Hashable, Comparable, Sendable {
        package var model: String
        package var status: Int

        package init(model: String, status: Int) {
            self.model = model
            self.status = status
        }

        package static func < (left: Self, right: Self) -> Bool {
            (left.model, left.status) < (right.model, right.status)
        }
    }

    /// Model names come from providers: beyond this many pairs, further ones are counted as `other`.
    private static let pairLimit = 2_000

    mutating func countRequest(model: String, status: Int) {
        countRequest(ModelAndStatus(model: model, status: status), 1)
    }

    mutating func countRequest(_ modelAndStatus: ModelAndStatus, _ count: UInt64) {
        var key = modelAndStatus
        if requestsByModelAndStatus[key] == nil, requestsByModelAndStatus.count >= Self.pairLimit {
            key.model = "other"
        }
        requestsByModelAndStatus[key, default: 0] &+= count
    }

    mutating func record(_ usage: Usage) {
        promptTokens &+= UInt64(max(0, usage.promptTokens ?? 0))
        completionTokens &+= UInt64(max(0, usage.completionTokens ?? 0))
    }
}
