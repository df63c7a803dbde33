import Foundation
import Testing

/// A provider's session on a real socket, from greeting to removal (docs/protocol.md, sections 2, 3, 5 and 6).
@Suite(.serialized, .timeLimit(.minutes(5))) struct SessionScenarioTests {
    private static func scenario(
        _ name: String, _ configuration: String = "", events: [Scenario.Event] = []
    ) -> Scenario {
        Scenario(script: "sessions.py", name: name, configuration: configuration, events: events)
    }

    private static func change(_ from: String, _ to: String) -> Scenario.Event {
        Scenario.Event("provider_state_changed", ["provider_id": "m4", "from": from, "to": to])
    }

    private static let quickRecovery = "pool: {degraded_backoff_s: 1, degraded_max_retries: 2}"
    private static let quickWaking = "pool: {heartbeat_interval_s: 1, wake_gap_threshold_s: 2, warmup_fallback_s: 1}"

    @Test(arguments: [
        scenario(
            "lives_from_hello_to_removal",
            events: [change("ready", "draining"), Scenario.Event("provider_removed", ["provider_id": "m4"])]),
        scenario(
            "is_refused_with_the_right_code", "versions: {required_binary_version: \"1.2.0\"}",
            events: [Scenario.Event("provider_refused", ["code": "4001", "reason": "invalid_hello: ram_gb"])]),
        scenario("answers_each_ping"),
        scenario("is_replaced_by_its_newer_session"),
        scenario("comes_back_within_the_grace_period"),
        scenario(
            "is_removed_after_the_grace_period", "pool: {disconnect_grace_period_s: 2}",
            events: [change("ready", "unavailable"), Scenario.Event("provider_removed", ["provider_id": "m4"])]),
        scenario(
            "recovers_after_a_failure", quickRecovery,
            events: [change("ready", "degraded"), change("degraded", "ready")]),
        scenario("is_given_up_after_failed_probes", quickRecovery, events: [change("degraded", "unavailable")]),
        scenario("warms_up_after_a_sleep", "pool: {heartbeat_interval_s: 1, wake_gap_threshold_s: 2}"),
        scenario(
            "is_trusted_again_when_it_says_nothing", quickWaking,
            events: [change("ready", "degraded"), change("degraded", "ready")]),
        scenario(
            "is_cut_when_it_is_silent", "ws: {ping_interval_s: 2}",
            events: [Scenario.Event("provider_silent", ["provider_id": "silent"])]),
        scenario(
            "waits_behind_a_full_handshake_queue", "ws: {max_unauthenticated_conns: 2, handshake_timeout_s: 2}"),
        scenario(
            "breaks_the_framing", "ws: {max_frame_bytes: 65536}\nadmission: {provisional_rate_per_hour: 100}",
            events: [Scenario.Event("frame_refused")]),
    ])
    func aProvider(_ scenario: Scenario) async throws { try await scenario.play() }

    @Test func aShutdownTruncatesNothing() async throws {
        let pool = try await ServedPool()
        defer { pool.server.kill() }
        let scenario = try await Self.scenario("hears_the_shutdown").start(with: pool)
        defer { scenario.kill() }
        _ = try await scenario.line("three streams") { $0 == "streaming" ? true : nil }
        pool.server.send(SIGTERM)
        try await scenario.succeed()
        let exit = try await pool.server.exit()
        #expect(exit == ChildProcess.Exit(code: 0, wasSignalled: false), "\(pool.server.transcript)")
    }
}
