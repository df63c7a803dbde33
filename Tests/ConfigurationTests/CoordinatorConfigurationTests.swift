import Pool
import Testing

@testable import Configuration

@Suite struct CoordinatorConfigurationTests {
    /// The file of docs/protocol.md 11, as it stands there but for the operator's key.
    static let reference = """
        listen:   {buyer_port: 8443, provider_port: 8444, bind_address: "127.0.0.1"}
        pool:     {heartbeat_interval_s: 30, heartbeat_miss_threshold_s: 90, disconnect_grace_period_s: 30,
                   wake_gap_threshold_s: 120, degraded_backoff_s: 30, degraded_max_retries: 3,
                   degraded_probe_after_502: true}
        routing:  {preflight_threshold_tokens: 4096, preflight_timeout_s: 5, request_timeout_s: 300}
        ws:       {write_buffer_size: 64, write_timeout_s: 10, handshake_timeout_s: 10, max_frame_bytes: 4194304}
        admission: {provisional_rate_per_hour: 10, max_provisional_providers: 100,
                    provisional_request_quota_per_hour: 100, provisional_weight: 0.3, provisional_retention_days: 30}
        auth:     {operator_key: "${KEY}"}
        storage:  {db_path: "coordinator.db", snapshot_interval_s: 300}
        logging:  {level: info, format: json}
        providers:
          - {provider_id: "m4-anon", endpoint_url: "https://m4.example", display_name: "M4"}
        """

    @Test func theReferenceFileSaysTheDefaults() throws {
        var expected = CoordinatorConfiguration()
        expected.auth.operatorKey = "s3cret-of-the-operator"
        var provider = CoordinatorConfiguration.Provider()
        provider.providerID = "m4-anon"
        provider.endpointURL = "https://m4.example"
        provider.displayName = "M4"
        expected.providers = [provider]
        #expect(try parse(whole: Self.reference) == expected)
    }

    @Test func theSmallestFileGivesTheDefaults() throws {
        var expected = CoordinatorConfiguration()
        expected.auth.operatorKey = "k"
        #expect(try parse("") == expected)
        #expect(try parse("pool:\nproviders:\nlisten: ~\nversions: {required_binary_version: null}") == expected)
    }

    @Test func everyKindOfValueArrives() throws {
        let read = try parse(
            """
            listen:
              buyer_port: ${PORT}
              provider_port: 0
              bind_address: "::1"
              buyer_tls_cert: ${DIR}/cert.pem
              buyer_tls_key: ${DIR}/$${odd}/$key.pem
            pool: {degraded_probe_after_502: false, max_providers: 7, warmup_fallback_s: 5}
            routing: {policy: fast}
            ws: {ping_interval_s: 0, write_buffer_size: "${PORT}"}
            admission: {provisional_weight: 1}
            logging: {level: "debug", format: 'text'}
            versions: {required_binary_version: 1.10, recommended_binary_version: "1.2.0"}
            storage:
              db_path: |-
                a b.db
            providers:
              - provider_id: one
              - {provider_id: two, endpoint_url: "http://[::1]:8000/v1"}
            """)
        #expect(read.listen.buyerPort == 9000 && read.listen.providerPort == 0)
        #expect(read.listen.bindAddress == "::1")
        #expect(read.listen.buyerTLSCertificate == "/srv/cert.pem")
        #expect(read.listen.buyerTLSKey == "/srv/${odd}/$key.pem")
        #expect(!read.pool.degradedProbeAfter502 && read.pool.maxProviders == 7)
        #expect(read.routing.policy == .fast && read.ws.pingInterval == .zero)
        #expect(read.ws.writeBufferSize == 9000)
        #expect(read.logging.level == .debug && read.logging.format == .text)
        #expect(read.versions.required == "1.10" && read.versions.recommended == "1.2.0")
        #expect(read.storage.databasePath == "a b.db")
        #expect(read.providers.map(\.providerID) == ["one", "two"])
        let settings = read.poolSettings
        #expect(settings.policy == .fast && settings.pingInterval == nil && !settings.probesAfterFailure)
        #expect(settings.wakeRecovery == .seconds(5))
        #expect(settings.admission.provisionalWeight == 1)
        #expect(settings.admission.pinned["two"]?.endpointURL == "http://[::1]:8000/v1")
        #expect(settings.admission.pinned["one"] == PinnedProvider(endpointURL: nil))
    }

    @Test func thePoolsDefaultsAreTheFiles() {
        #expect(CoordinatorConfiguration().poolSettings == PoolSettings())
    }

    @Test func otherSpellingsAreRead() throws {
        let read = try parse(
            whole: """
                auth: {operator_key: k, require_provider_tokens: true}
                admission: {provisional_admission_rate_per_hour: 3, provisional_pool_max: 4,
                            provisional_quota_per_hour: 5, provisional_tier_weight: 0.5}
                coordinator_advertised_version: {latest_binary_version: 1.8.1, required_binary_version: 1.8.0}
                relay: {max_request_buffer_bytes: 65536}
                """)
        #expect(read.auth.requireProviderToken)
        #expect(read.admission.provisionalRatePerHour == 3 && read.admission.maxProvisionalProviders == 4)
        #expect(read.admission.provisionalRequestQuotaPerHour == 5 && read.admission.provisionalWeight == 0.5)
        #expect(read.versions.recommended == "1.8.1" && read.versions.required == "1.8.0")
        #expect(read.limits.maxBufferedBytesPerRequest == 65_536)
    }

    @Test func anchorsStandForTheirValues() throws {
        let read = try parse("pool: {heartbeat_interval_s: &n 20, degraded_backoff_s: *n}")
        #expect(read.pool.heartbeatInterval == .seconds(20) && read.pool.degradedBackoff == .seconds(20))
    }
}
