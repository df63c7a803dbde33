import Pool

/// A section of the file, for the reader and the reference.
struct ConfigurationSection: Sendable {
    let name: String
    let meaning: String
}

extension CoordinatorConfiguration {
    static let sections: [ConfigurationSection] = [
        ConfigurationSection(name: "listen", meaning: "Where buyers and providers connect."),
        ConfigurationSection(name: "pool", meaning: "Liveness and recovery of providers."),
        ConfigurationSection(name: "routing", meaning: "Which provider takes a request, and how long it may take."),
        ConfigurationSection(name: "ws", meaning: "The WebSocket of a provider."),
        ConfigurationSection(name: "admission", meaning: "Providers that are not listed below."),
        ConfigurationSection(name: "auth", meaning: "Credentials."),
        ConfigurationSection(name: "tier2", meaning: "The encrypted leg (protocol version 2)."),
        ConfigurationSection(name: "limits", meaning: "Bounds on what buyers may use."),
        ConfigurationSection(name: "storage", meaning: "The database."),
        ConfigurationSection(name: "logging", meaning: "The log, one record a line."),
        ConfigurationSection(name: "versions", meaning: "Versions of the provider's program."),
    ]

    /// Every key outside the list of providers (docs/protocol.md 11 and the decisions elsewhere in it).
    static let keys: [ConfigurationKey<CoordinatorConfiguration>] =
        listenKeys + poolKeys + routingKeys + wsKeys + admissionKeys + authKeys + tier2Keys + limitsKeys + otherKeys

    private typealias Key = ConfigurationKey<CoordinatorConfiguration>

    private static let listenKeys: [Key] = [
        Key(
            "listen.buyer_port", .count(\.listen.buyerPort, 0...65_535, unit: ""),
            "TCP port of the buyer API; 0 takes any free port."),
        Key(
            "listen.provider_port", .count(\.listen.providerPort, 0...65_535, unit: ""),
            "TCP port of providers and of the operator API; 0 takes any free port."),
        Key("listen.bind_address", .text(\.listen.bindAddress, .address), "Address of both listeners."),
        Key(
            "listen.buyer_tls_cert", .optionalText(\.listen.buyerTLSCertificate, .path),
            "PEM file with the certificate chain: the buyer listener then speaks TLS itself. Needs the key too."),
        Key(
            "listen.buyer_tls_key", .optionalText(\.listen.buyerTLSKey, .path),
            "PEM file with the private key of `listen.buyer_tls_cert`."),
        Key(
            "listen.provider_tls_cert", .optionalText(\.listen.providerTLSCertificate, .path),
            "As `listen.buyer_tls_cert`, for the provider listener."),
        Key(
            "listen.provider_tls_key", .optionalText(\.listen.providerTLSKey, .path),
            "As `listen.buyer_tls_key`, for the provider listener."),
    ]

    private static let poolKeys: [Key] = [
        Key(
            "pool.heartbeat_interval_s", .seconds(\.pool.heartbeatInterval, 1...3600),
            "How often providers are told to send a heartbeat."),
        Key(
            "pool.heartbeat_miss_threshold_s", .seconds(\.pool.heartbeatMissThreshold, 1...86_400),
            "Silence after which a provider's connection is closed. Longer than the interval."),
        Key(
            "pool.disconnect_grace_period_s", .seconds(\.pool.disconnectGracePeriod, 0...86_400),
            "How long a provider that is gone stays listed, so that it can come back."),
        Key(
            "pool.wake_gap_threshold_s", .seconds(\.pool.wakeGapThreshold, 1...86_400),
            "A gap between heartbeats above which the machine must have slept. Longer than the interval."),
        Key(
            "pool.warmup_fallback_s", .seconds(\.pool.warmUpFallback, 1...3600),
            "How long a machine that slept may take to say that it is ready, before it is trusted again."),
        Key(
            "pool.degraded_backoff_s", .seconds(\.pool.degradedBackoff, 1...3600),
            "How long a provider that failed rests before it is probed; twice as long after a failed probe."),
        Key(
            "pool.degraded_max_retries", .count(\.pool.degradedMaxRetries, 1...100, unit: "probes"),
            "Failed probes after which a provider is unavailable."),
        Key(
            "pool.degraded_probe_after_502", .flag(\.pool.degradedProbeAfter502),
            "Whether a provider that failed is probed. If not, it is trusted again after its rest."),
        Key(
            "pool.max_providers", .count(\.pool.maxProviders, 1...1_000_000, unit: "providers"),
            "Connected providers; one more is refused with 4429."),
    ]

    private static let routingKeys: [Key] = [
        Key(
            "routing.preflight_threshold_tokens",
            .count(\.routing.preflightThresholdTokens, 0...100_000_000, unit: "tokens"),
            "Estimated prompt above which the provider is asked first."),
        Key(
            "routing.preflight_timeout_s", .seconds(\.routing.preflightTimeout, 1...300),
            "How long a provider may take to answer that."),
        Key(
            "routing.request_timeout_s", .seconds(\.routing.requestTimeout, 1...86_400),
            "How long a provider may take over a request."),
        Key(
            "routing.policy",
            .choice(
                RoutePreference.allCases.map { "\($0.name)" }, read: { "\($0.routing.policy.name)" },
                write: { root, name in
                    for policy in RoutePreference.allCases where "\(policy.name)" == name {
                        root.routing.policy = policy
                    }
                }),
            "Order of providers for requests without `X-MacProvider-Pref`: `pack` fills the fullest first, `fast` "
                + "takes the quickest, `accurate` the largest model."),
    ]

    private static let wsKeys: [Key] = [
        Key(
            "ws.write_buffer_size", .count(\.ws.writeBufferSize, 1...65_536, unit: "messages"),
            "Messages that may wait for one provider; one more is refused with 503."),
        Key(
            "ws.write_timeout_s", .seconds(\.ws.writeTimeout, 1...600),
            "How long one batch of output may take before the provider is cut off."),
        Key(
            "ws.handshake_timeout_s", .seconds(\.ws.handshakeTimeout, 1...600),
            "From the connection to the provider's registration."),
        Key(
            "ws.max_frame_bytes", .count(\.ws.maxFrameBytes, 1024...67_108_864, unit: "bytes"),
            "Largest message from a provider."),
        Key(
            "ws.max_unauthenticated_conns",
            .count(\.ws.maxUnauthenticatedConnections, 1...1_000_000, unit: "connections"),
            "Provider connections that have not registered yet; one more gets 503.",
            aliases: ["ws.max_unauthenticated_conn"]),
        Key(
            "ws.ping_interval_s", .seconds(\.ws.pingInterval, 0...3600),
            "Silence after which a provider gets a PING, which it must answer within the same time; 0 sends none."),
    ]

    private static let admissionKeys: [Key] = [
        Key(
            "admission.provisional_rate_per_hour",
            .count(\.admission.provisionalRatePerHour, 0...1_000_000, unit: "providers"),
            "New unlisted providers in any hour.", aliases: ["admission.provisional_admission_rate_per_hour"]),
        Key(
            "admission.max_provisional_providers",
            .count(\.admission.maxProvisionalProviders, 0...1_000_000, unit: "providers"),
            "Unlisted providers connected at a time.", aliases: ["admission.provisional_pool_max"]),
        Key(
            "admission.provisional_request_quota_per_hour",
            .count(\.admission.provisionalRequestQuotaPerHour, 0...1_000_000_000, unit: "requests"),
            "Requests to one unlisted provider in an hour.", aliases: ["admission.provisional_quota_per_hour"]),
        Key(
            "admission.provisional_weight", .number(\.admission.provisionalWeight, 0...1),
            "What the throughput of an unlisted provider counts, against 1 for a listed one.",
            aliases: ["admission.provisional_tier_weight"]),
        Key(
            "admission.provisional_retention_days",
            .count(\.admission.provisionalRetentionDays, 1...36_500, unit: "days"),
            "How long an unlisted provider that stays away is remembered."),
    ]

    private static let authKeys: [Key] = [
        Key(
            "auth.operator_key", .text(\.auth.operatorKey, .secret),
            "Bearer token of the operator API. Best given as `${NAME}`.", isRequired: true),
        Key(
            "auth.require_provider_token", .flag(\.auth.requireProviderToken),
            "Whether providers must present a token.", aliases: ["auth.require_provider_tokens"]),
    ]

    private static let tier2Keys: [Key] = [
        Key(
            "tier2.require_attestation", .flag(\.tier2.requireAttestation),
            "Whether a provider of protocol version 2 must attest itself."),
        Key(
            "tier2.rekey_after_requests",
            .count(\.tier2.rekeyAfterRequests, 1...1_000_000_000, unit: "requests"),
            "Requests after which a session gets new keys.", aliases: ["tier2.encrypted_leg_rekey_after_requests"]),
        Key(
            "tier2.rekey_after_seconds", .seconds(\.tier2.rekeyAfter, 1...31_536_000),
            "Age at which a session gets new keys.", aliases: ["tier2.encrypted_leg_rekey_after_seconds"]),
    ]

    private static let limitsKeys: [Key] = [
        Key(
            "limits.max_body_bytes", .count(\.limits.maxBodyBytes, 1024...16_777_216, unit: "bytes"),
            "Largest body of a buyer's request; a larger one gets 413.",
            aliases: ["limits.max_chat_request_body_bytes"]),
        Key(
            "limits.max_buffered_bytes_per_request",
            .count(\.limits.maxBufferedBytesPerRequest, 65_536...1_073_741_824, unit: "bytes"),
            "What may wait for one slow buyer before its request is cancelled.",
            aliases: ["relay.max_request_buffer_bytes"]),
        Key(
            "limits.max_connections", .count(\.limits.maxConnections, 10...10_000_000, unit: "connections"),
            "Connections of both listeners together; each takes at most half of them."),
    ]

    private static let otherKeys: [Key] = [
        Key("storage.db_path", .text(\.storage.databasePath, .path), "The SQLite file; made when missing."),
        Key(
            "storage.snapshot_interval_s", .seconds(\.storage.snapshotInterval, 1...86_400),
            "How often the pool is written down, for looking at later."),
        Key(
            "logging.level",
            .choice(
                LogLevel.allCases.map(\.rawValue), read: { $0.logging.level.rawValue },
                write: { $0.logging.level = LogLevel(rawValue: $1) ?? $0.logging.level }),
            "The least severe records that are kept."),
        Key(
            "logging.format",
            .choice(
                LogFormat.allCases.map(\.rawValue), read: { $0.logging.format.rawValue },
                write: { $0.logging.format = LogFormat(rawValue: $1) ?? $0.logging.format }),
            "How a record is written."),
        Key(
            "versions.recommended_binary_version", .optionalText(\.versions.recommended, .version),
            "Told to providers when they register.", aliases: ["coordinator_advertised_version.latest_binary_version"]),
        Key(
            "versions.required_binary_version", .optionalText(\.versions.required, .version),
            "Providers below it are refused with 4004.",
            aliases: ["coordinator_advertised_version.required_binary_version"]),
    ]
}

extension CoordinatorConfiguration.Provider {
    /// The keys of one element of `providers`.
    static let keys: [ConfigurationKey<CoordinatorConfiguration.Provider>] = [
        ConfigurationKey(
            "provider_id", .text(\.providerID, .providerID), "The id with which it registers.", isRequired: true),
        ConfigurationKey(
            "endpoint_url", .optionalText(\.endpointURL, .endpointURL),
            "Set: requests are forwarded there over HTTP instead of through its WebSocket."),
        ConfigurationKey(
            "display_name", .optionalText(\.displayName, .displayName), "For people to read: shown in `/poolz`."),
    ]
}
