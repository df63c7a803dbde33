/// The commented `coordinator.yaml` that `trunkline config init` writes: each key with its default (docs/protocol.md,
/// section 11).
enum ExampleConfiguration {
    /// 32 random bytes from the system, in hexadecimal.
    static func randomKey() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = Array("0123456789abcdef")
        return String(
            (0..<4).flatMap { _ -> [Character] in
                let word = generator.next()
                return (0..<16).map { digits[Int(word >> UInt64($0 * 4) & 0xF)] }
            })
    }

    static func text(operatorKey: String) -> String {
        """
        # Trunkline's coordinator. Each key is shown with its default; delete what you do not change.
        # ${NAME} stands for the environment variable NAME. Check the file with: trunkline config check FILE

        listen:
          buyer_port: 8443                # applications: http://…:8443/v1
          provider_port: 8444             # machines that lend themselves, and the operator API
          bind_address: "127.0.0.1"       # "0.0.0.0" to be reachable from other machines

        auth:
          # Whoever knows this key sees the pool and may ban providers. Or: "${TRUNKLINE_OPERATOR_KEY}"
          operator_key: "\(operatorKey)"

        pool:
          heartbeat_interval_s: 30
          heartbeat_miss_threshold_s: 90  # silence after which a provider is given up
          disconnect_grace_period_s: 30   # how long a lost provider stays listed
          wake_gap_threshold_s: 120       # a heartbeat later than this: the machine has slept
          degraded_backoff_s: 30
          degraded_max_retries: 3
          degraded_probe_after_502: true

        routing:
          preflight_threshold_tokens: 4096  # longer prompts ask the provider first
          preflight_timeout_s: 5
          request_timeout_s: 300

        ws:
          write_buffer_size: 64           # messages that may wait for one provider
          write_timeout_s: 10
          handshake_timeout_s: 10
          max_frame_bytes: 4194304

        # Machines that are not listed under `providers` may join within these limits.
        admission:
          provisional_rate_per_hour: 10
          max_provisional_providers: 100
          provisional_request_quota_per_hour: 100
          provisional_weight: 0.3
          provisional_retention_days: 30

        storage:
          db_path: "coordinator.db"
          snapshot_interval_s: 300

        logging:
          level: info                     # debug, info, warn, error
          format: json                    # json, text

        # Machines that you know. They join without the limits above.
        providers: []
        #  - {provider_id: "m4-anon", display_name: "M4 in the study"}

        """
    }
}
