import Foundation
import Testing

/// Coming over from the reference coordinator: its configuration and its database, as they are (docs/migrating.md).
@Suite(.serialized, .timeLimit(.minutes(5))) struct MigrationTests {
    /// Every section, with the names that only the reference uses.
    private static func configuration(in directory: URL) -> String {
        """
        listen:   {buyer_port: 0, provider_port: 0, bind_address: "127.0.0.1"}
        pool:     {heartbeat_interval_s: 30, heartbeat_miss_threshold_s: 90, disconnect_grace_period_s: 30,
                   wake_gap_threshold_s: 120, degraded_backoff_s: 30, degraded_max_retries: 3,
                   degraded_probe_after_502: true}
        routing:  {preflight_threshold_tokens: 4096, preflight_timeout_s: 5, request_timeout_s: 300}
        ws:       {write_buffer_size: 64, write_timeout_s: 10, handshake_timeout_s: 10, max_frame_bytes: 4194304,
                   max_unauthenticated_conn: 128}
        admission: {provisional_admission_rate_per_hour: 10, provisional_pool_max: 100,
                   provisional_quota_per_hour: 100, provisional_tier_weight: 0.3, provisional_retention_days: 36500}
        auth:     {operator_key: "${TRUNKLINE_OPERATOR_KEY}", require_provider_tokens: false}
        tier2:    {encrypted_leg_rekey_after_requests: 10000, encrypted_leg_rekey_after_seconds: 86400}
        limits:   {max_chat_request_body_bytes: 10485760}
        relay:    {max_request_buffer_bytes: 4194304}
        coordinator_advertised_version: {latest_binary_version: "1.2.0", required_binary_version: "1.1.0"}
        storage:  {db_path: "\(directory.path)/coordinator.db", snapshot_interval_s: 300}
        logging:  {level: info, format: json}
        providers:
          - {provider_id: "m4-anon", endpoint_url: "https://m4.example", display_name: "M4"}

        """
    }

    @Test func theReferencesFilesAreTakenOver() async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("coordinator.yaml").path
        try Self.configuration(in: directory).write(toFile: path, atomically: true, encoding: .utf8)
        let token = String(repeating: "0123456789abcdef", count: 4)
        try await Scenario.start(
            "reference_database.py", [directory.appendingPathComponent("coordinator.db").path, token]
        ).succeed()
        let pool = try await ServedPool(["--config", path])
        defer { pool.server.kill() }
        try await Scenario(
            script: "storage.py", name: "what_the_reference_decided_holds", configuration: "", arguments: [token]
        ).start(with: pool).succeed()
    }

    @Test func thePageNamesEveryAlias() throws {
        func text(_ path: String) throws -> String {
            try String(contentsOf: BuiltProduct.packageRoot.appendingPathComponent(path), encoding: .utf8)
        }
        let reference = try text("docs/configuration.md").matches(of: #/Also read as ([^|]*)\. \|/#)
        let aliases = reference.flatMap { $0.1.matches(of: #/`([a-z0-9_.]+)`/#).map { String($0.1) } }
        let page = try text("docs/migrating.md").matches(of: #/(?m)^\| `([a-z0-9_.]+)` \| `[a-z0-9_.]+` \|/#)
        #expect(!aliases.isEmpty)
        #expect(Set(aliases) == Set(page.map { String($0.1) }))
    }
}
