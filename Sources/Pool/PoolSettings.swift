import Primitives

/// The numbers of docs/protocol.md 2.2, 5, 6 and 11 that govern the pool.
package struct PoolSettings: Sendable, Equatable {
    package var heartbeatInterval: Duration = .seconds(30)
    /// Silence of this length ends a session.
    package var heartbeatMissThreshold: Duration = .seconds(90)
    /// Silence after which a PING is sent, and how long its PONG may take; nil sends none.
    package var pingInterval: Duration? = .seconds(30)
    package var disconnectGracePeriod: Duration = .seconds(30)
    /// A gap between two heartbeats above which the machine must have slept.
    package var wakeGapThreshold: Duration = .seconds(120)
    /// How long a woken machine may take to say that it is ready.
    package var wakeRecovery: Duration = .seconds(60)
    package var degradedBackoff: Duration = .seconds(30)
    package var degradedMaxRetries = 3
    /// False: a provider that failed is trusted again when its back-off has passed, without a probe.
    package var probesAfterFailure = true
    package var consecutiveTimeoutLimit = 3
    /// How long a recovery probe may wait for its `preflight_ack`.
    package var probeTimeout: Duration = .seconds(5)
    /// Connected providers. Those in their grace period are bounded by the same number once more.
    package var maxProviders = 65_536
    /// The order for requests that ask for none.
    package var policy: RoutePreference = .pack
    package var admission = AdmissionSettings()

    package init() {}

    package init(admission: AdmissionSettings) { self.admission = admission }
}

package struct AdmissionSettings: Sendable, Equatable {
    /// Listed in the configuration, by provider id.
    package var pinned: [String: PinnedProvider] = [:]
    /// Ids never seen before, in any span of one hour.
    package var provisionalRatePerHour = 10
    /// Provisional providers connected at a time.
    package var maxProvisionalProviders = 100
    /// Requests per provisional provider and hour.
    package var provisionalRequestQuotaPerHour = 100
    /// What the throughput of a provisional provider is multiplied by when providers are compared.
    package var provisionalWeight = 0.3

    package init() {}
}

package struct PinnedProvider: Sendable, Equatable {
    /// Set: requests are forwarded there over HTTP instead of through the provider's WebSocket.
    package var endpointURL: String?
    /// For people to read in listings.
    package var displayName: String?

    package init(endpointURL: String? = nil, displayName: String? = nil) {
        self.endpointURL = endpointURL
        self.displayName = displayName
    }
}

/// What earlier runs decided about provider ids; the store keeps it, the pool starts from it.
package struct AdmissionRecords: Sendable, Equatable {
    /// Provisional ids that were admitted before: they do not count as new.
    package var provisional: Set<String> = []
    package var promoted: Set<String> = []
    package var rejected: Set<String> = []

    package init() {}
}
