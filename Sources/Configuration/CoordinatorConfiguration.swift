package import Pool

/// What `coordinator.yaml` says (docs/protocol.md 11), checked, in the units of the program.
///
/// The initial values are the defaults. Which key sets what, within which bounds, stands in one table,
/// ``CoordinatorConfiguration/keys``.
package struct CoordinatorConfiguration: Sendable, Equatable {
    package var listen = Listen()
    package var pool = Pool()
    package var routing = Routing()
    package var ws = WS()
    package var admission = Admission()
    package var auth = Auth()
    package var tier2 = Tier2()
    package var limits = Limits()
    package var storage = Storage()
    package var logging = Logging()
    package var versions = Versions()
    /// The pinned providers, in the order of the file; ids are unique.
    package var providers: [Provider] = []

    package init() {}

    package struct Listen: Sendable, Equatable {
        /// 0: any free port.
        package var buyerPort = 8443
        package var providerPort = 8444
        /// An IPv4 or IPv6 address.
        package var bindAddress = "127.0.0.1"
        /// Both or neither.
        package var buyerTLSCertificate: String?
        package var buyerTLSKey: String?
        package var providerTLSCertificate: String?
        package var providerTLSKey: String?
    }

    package struct Pool: Sendable, Equatable {
        package var heartbeatInterval: Duration = .seconds(30)
        package var heartbeatMissThreshold: Duration = .seconds(90)
        package var disconnectGracePeriod: Duration = .seconds(30)
        package var wakeGapThreshold: Duration = .seconds(120)
        package var warmUpFallback: Duration = .seconds(60)
        package var degradedBackoff: Duration = .seconds(30)
        package var degradedMaxRetries = 3
        package var degradedProbeAfter502 = true
        package var maxProviders = 65_536
    }

    package struct Routing: Sendable, Equatable {
        package var preflightThresholdTokens = 4096
        package var preflightTimeout: Duration = .seconds(5)
        package var requestTimeout: Duration = .seconds(300)
        package var policy: RoutePreference = .pack
    }

    package struct WS: Sendable, Equatable {
        package var writeBufferSize = 64
        package var writeTimeout: Duration = .seconds(10)
        package var handshakeTimeout: Duration = .seconds(10)
        package var maxFrameBytes = 4 * 1024 * 1024
        package var maxUnauthenticatedConnections = 128
        /// 0: no PINGs.
        package var pingInterval: Duration = .seconds(30)
    }

    package struct Admission: Sendable, Equatable {
        package var provisionalRatePerHour = 10
        package var maxProvisionalProviders = 100
        package var provisionalRequestQuotaPerHour = 100
        package var provisionalWeight = 0.3
        package var provisionalRetentionDays = 30
    }

    package struct Auth: Sendable, Equatable {
        /// Never empty in a configuration that was read.
        package var operatorKey = ""
        package var requireProviderToken = false
    }

    package struct Tier2: Sendable, Equatable {
        package var requireAttestation = false
        package var rekeyAfterRequests = 10_000
        package var rekeyAfter: Duration = .seconds(86_400)
    }

    package struct Limits: Sendable, Equatable {
        package var maxBodyBytes = 10 * 1024 * 1024
        package var maxBufferedBytesPerRequest = 4 * 1024 * 1024
        /// Of both listeners together.
        package var maxConnections = 100_000
    }

    package struct Storage: Sendable, Equatable {
        package var databasePath = "coordinator.db"
        package var snapshotInterval: Duration = .seconds(300)
    }

    package struct Logging: Sendable, Equatable {
        package var level = LogLevel.info
        package var format = LogFormat.json
    }

    package enum LogLevel: String, Sendable, CaseIterable {
        case debug, info, warn, error
    }

    package enum LogFormat: String, Sendable, CaseIterable {
        case json, text
    }

    package struct Versions: Sendable, Equatable {
        package var recommended: String?
        package var required: String?
    }

    package struct Provider: Sendable, Equatable {
        package var providerID = ""
        /// Requests are forwarded there over HTTP; nil: they go through the provider's WebSocket.
        package var endpointURL: String?
        package var displayName: String?

        package init() {}
    }
}

extension CoordinatorConfiguration {
    /// The part that the pool decides by.
    package var poolSettings: PoolSettings {
        var settings = PoolSettings()
        settings.heartbeatInterval = pool.heartbeatInterval
        settings.heartbeatMissThreshold = pool.heartbeatMissThreshold
        settings.pingInterval = ws.pingInterval > .zero ? ws.pingInterval : nil
        settings.disconnectGracePeriod = pool.disconnectGracePeriod
        settings.wakeGapThreshold = pool.wakeGapThreshold
        settings.wakeRecovery = pool.warmUpFallback
        settings.degradedBackoff = pool.degradedBackoff
        settings.degradedMaxRetries = pool.degradedMaxRetries
        settings.probesAfterFailure = pool.degradedProbeAfter502
        settings.probeTimeout = routing.preflightTimeout
        settings.maxProviders = pool.maxProviders
        settings.policy = routing.policy
        settings.admission.provisionalRatePerHour = admission.provisionalRatePerHour
        settings.admission.maxProvisionalProviders = admission.maxProvisionalProviders
        settings.admission.provisionalRequestQuotaPerHour = admission.provisionalRequestQuotaPerHour
        settings.admission.provisionalWeight = admission.provisionalWeight
        for provider in providers {
            settings.admission.pinned[provider.providerID] = PinnedProvider(
                endpointURL: provider.endpointURL, displayName: provider.displayName)
        }
        return settings
    }
}
