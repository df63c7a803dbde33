import Pool
import WebSocketCodec

/// The coordinator's books against each other, for tests: what one part counts and another part keeps must agree
/// between any two turns of the loop.
extension Coordinator {
    /// As the pool counts them; the pool itself is not copied for that.
    package var takenSlotCount: Int { pool.counts.activeRequests }

    /// The most messages that wait for one provider.
    package var longestMessageQueue: Int { liveSessions.map(\.waitingMessageCount).max() ?? 0 }

    /// The first disagreement that is found, or nil. O(sessions + requests).
    package var inconsistency: String? {
        var requestCount = 0
        var liveCount = 0
        for session in liveSessions {
            liveCount += 1
            requestCount += session.activeRequestCount
            if session.waitingMessageCount > settings.providerLink.writer.waitingMessageCount {
                return "\(session.waitingMessageCount) messages wait for \(session.providerID)"
            }
            guard let handle = session.handle, let entry = pool[handle] else {
                return "a session without a place in the pool"
            }
            if entry.activeRequests != session.activeRequestCount {
                return "\(session.providerID) has \(session.activeRequestCount) requests, "
                    + "\(entry.activeRequests) slots taken"
            }
        }
        if liveCount != sessionCount { return "\(liveCount) sessions, \(sessionCount) counted" }
        if pool.counts.connected != sessionCount {
            return "\(sessionCount) sessions, \(pool.counts.connected) in the pool"
        }
        if requestCount != requests.count { return "\(requests.count) requests, \(requestCount) at sessions" }
        if requests.all.count != requests.count { return "\(requests.count) requests counted, others in the table" }
        let entries = pool.entries
        if entries.count != pool.counts.total { return "\(entries.count) entries, \(pool.counts.total) counted" }
        for state in [ProviderState.ready, .busy, .degraded, .draining, .unavailable]
        where entries.count(where: { $0.state == state }) != pool.counts[state] {
            return "the pool's count of \(state) is wrong"
        }
        return nil
    }
}
