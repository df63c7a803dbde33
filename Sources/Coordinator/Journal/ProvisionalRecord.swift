package import Primitives

/// A provisional provider at one moment.
package struct ProviderSighting: Sendable, Equatable {
    package var providerID: String
    package var hostname: String
    package var modelID: String
    package var binaryVersion: String
    package var time: WallTime

    package init(providerID: String, hostname: String, modelID: String, binaryVersion: String, time: WallTime) {
        self.providerID = providerID
        self.hostname = hostname
        self.modelID = modelID
        self.binaryVersion = binaryVersion
        self.time = time
    }
}

/// What is on record about a provisional provider; times are RFC 3339 in UTC.
package struct ProvisionalRecord: Sendable, Equatable {
    package var providerID: String
    package var hostname: String?
    package var modelID: String?
    package var binaryVersion: String?
    package var firstSeenAt: String
    package var lastSeenAt: String
    package var totalRequestsServed: Int
    package var totalTokensServed: Int
    package var promotedAt: String?
    package var notes: String?

    package init(
        providerID: String, hostname: String?, modelID: String?, binaryVersion: String?, firstSeenAt: String,
        lastSeenAt: String, totalRequestsServed: Int = 0, totalTokensServed: Int = 0, promotedAt: String? = nil,
        notes: String? = nil
    ) {
        self.providerID = providerID
        self.hostname = hostname
        self.modelID = modelID
        self.binaryVersion = binaryVersion
        self.firstSeenAt = firstSeenAt
        self.lastSeenAt = lastSeenAt
        self.totalRequestsServed = totalRequestsServed
        self.totalTokensServed = totalTokensServed
        self.promotedAt = promotedAt
        self.notes = notes
    }
}
