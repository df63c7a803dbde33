import Testing

/// The operator API of the running binary (docs/protocol.md, sections 6 and 10).
@Suite(.serialized, .timeLimit(.minutes(5))) struct OperatorScenarioTests {
    private static func scenario(_ name: String, _ configuration: String = "") -> Scenario {
        Scenario(script: "operators.py", name: name, configuration: configuration)
    }

    @Test(arguments: [
        scenario("need_their_key"),
        scenario("send_a_provider_away_in_two_phases"),
        scenario("admit_ten_strangers_an_hour", "providers: [{provider_id: witness}]"),
        scenario("admit_strangers_while_there_is_room", "admission: {max_provisional_providers: 1}"),
        scenario("promote_a_provider"),
        scenario("reject_a_provider"),
    ])
    func operators(_ scenario: Scenario) async throws { try await scenario.play() }

    @Test(
        .enabled(
            if: InstalledProgram.path("promtool") != nil,
            "promtool is missing; Debian and Homebrew have it in the package prometheus"))
    func prometheusUnderstandsTheMetrics() async throws {
        try await Self.scenario("read_metrics_that_prometheus_understands").play()
    }

    private static func counts(shards: Int) async throws -> [String] {
        let file = try ConfigurationFile()
        let pool = try await ServedPool(["--config", file.path, "--shards", String(shards)])
        defer { pool.server.kill() }
        let scenario = try await scenario("count_the_same_whoever_serves").start(with: pool)
        defer { scenario.kill() }
        return try await scenario.line("what was counted") { line in
            line.hasPrefix("counted ") ? line.split(separator: " ").dropFirst().map(String.init) : nil
        }
    }

    /// Connections, bytes, refusals, requests: an operator sees the same truth, however many loops there are.
    @Test func metricsTellTheSameOfAnyNumberOfShards() async throws {
        let one = try await Self.counts(shards: 1)
        #expect(one.contains("trunkline_http_refusals_total{status=\"405\"}=16"), "\(one)")
        #expect(one.contains("trunkline_connections_accepted_total=114"), "\(one)")
        #expect(try await Self.counts(shards: 3) == one)
    }
}
