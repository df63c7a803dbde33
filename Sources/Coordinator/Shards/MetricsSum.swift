import Environment
package import Primitives

// Over the shards of one process.

extension FrontCounts {
    mutating func add(_ other: FrontCounts) {
        metrics.add(other.metrics)
        driver.add(other.driver)
    }
}

extension DriverStatistics {
    mutating func add(_ other: DriverStatistics) {
        connectionsAccepted &+= other.connectionsAccepted
        connectionsRefused &+= other.connectionsRefused
        connectionsOpen += other.connectionsOpen
        bytesReceived &+= other.bytesReceived
        bytesSent &+= other.bytesSent
        writesDelayed &+= other.writesDelayed
        turnSeconds.add(other.turnSeconds)
    }
}

extension CoordinatorMetrics {
    package mutating func add(_ other: CoordinatorMetrics) {
        for counter in Self.counters { self[keyPath: counter] &+= other[keyPath: counter] }
        for histogram in Self.histograms { self[keyPath: histogram].add(other[keyPath: histogram]) }
        for (key, count) in other.requestsByModelAndStatus { countRequest(key, count) }
        httpRefusals.merge(other.httpRefusals, uniquingKeysWith: &+)
        closeCodesSent.merge(other.closeCodesSent, uniquingKeysWith: &+)
        closeCodesReceived.merge(other.closeCodesReceived, uniquingKeysWith: &+)
    }

    package static let counters: [any WritableKeyPath<Self, UInt64> & Sendable] = [
        \.requestsTotal, \.requestsDispatched, \.requestsForwarded, \.requestsRetried, \.preflightsSent,
        \.preflightsFailed, \.naksReceived, \.chunksRelayed, \.chunksUnknown, \.chunksIgnored, \.chunkCountMismatches,
        \.promptTokens, \.completionTokens, \.cancellations, \.cancellationsTimedOut, \.slowBuyersDropped,
        \.buyerWriteDeadlineDrops, \.frontBacklogDrops, \.backpressureRefusals, \.pongsSent, \.frameErrors,
        \.messagesIgnored, \.messagesNotSent, \.writeDeadlineDrops, \.silenceDrops, \.handshakesRefused,
        \.sealedFramesRefused, \.rekeys, \.rekeysFailed,
    ]

    package static let histograms: [any WritableKeyPath<Self, Histogram> & Sendable] = [
        \.interChunkGap, \.cancellationLatency, \.timeToFirstChunk, \.requestDuration, \.dispatchOverhead,
    ]
}
