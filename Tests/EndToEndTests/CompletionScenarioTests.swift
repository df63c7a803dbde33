import Testing

/// Requests through friendly, clumsy and hostile providers on real sockets (docs/protocol.md, sections 7 and 8).
@Suite(.serialized, .timeLimit(.minutes(5))) struct CompletionScenarioTests {
    private static func scenario(_ name: String, _ configuration: String = "") -> Scenario {
        Scenario(script: "completions.py", name: name, configuration: configuration)
    }

    private static let twoPinned = "providers: [{provider_id: m0}, {provider_id: m1}]"

    private static let exchanges = [
        scenario("are_answered_by_two_providers", twoPinned),
        scenario("are_answered_rightly_by_clumsy_providers", twoPinned),
        scenario("fail_cleanly_with_hostile_providers", "providers: [{provider_id: witness}]"),
        scenario("break_with_their_provider"),
        scenario(
            "ask_first_when_they_are_long", "routing: {preflight_threshold_tokens: 100, preflight_timeout_s: 2}"),
        scenario("go_on_to_the_next_provider_when_one_is_full"),
        scenario("map_the_ends_of_providers"),
        scenario("reach_no_provider_that_cannot_take_them"),
        scenario("are_cancelled_when_the_buyer_leaves"),
        scenario("time_out", "routing: {request_timeout_s: 2}"),
        scenario("are_kept_from_slow_buyers", "limits: {max_buffered_bytes_per_request: 65536}"),
        Scenario(script: "routing.py", name: "follows_the_preference", configuration: ""),
        Scenario(
            script: "routing.py", name: "weighs_pinned_providers_more",
            configuration: "providers: [{provider_id: pinned}]"),
        Scenario(
            script: "routing.py", name: "keeps_to_the_quota",
            configuration: "admission: {provisional_request_quota_per_hour: 2}"),
    ]

    /// With one loop for everything, and with buyers on a loop of their own.
    @Test(arguments: exchanges, [1, 2])
    func requests(_ scenario: Scenario, shards: Int) async throws { try await scenario.play(shards: shards) }

    @Test func theLogKeepsTheirSecrets() async throws {
        let prompt = "what nobody else may read"
        let answer = "told to one buyer only"
        var scenario = Self.scenario("keep_their_secrets")
        scenario.arguments = [prompt, answer]
        let server = try await scenario.play()
        for secret in [prompt, answer, ServedPool.operatorKey, prompt.replacing(" ", with: "-")] {
            #expect(!server.errorOutput.contains(secret) && !server.output.contains(secret), "“\(secret)” is shown")
        }
        // It is a log all the same.
        #expect(server.errorOutput.contains("\"event\":\"request_finished\""), "\(server.transcript)")
    }

    @Test(arguments: [
        "serves_over_http", "answers_for_an_endpoint_that_fails", "stops_when_the_buyer_leaves",
        "is_for_listed_providers_only",
    ])
    func forwarding(_ name: String) async throws {
        let endpoint = try Scenario.start("endpoint.py")
        defer { endpoint.kill() }
        let url = try await endpoint.line("the endpoint's address") { line in
            line.hasPrefix("listening ") ? String(line.dropFirst("listening ".count)) : nil
        }
        try await Scenario(
            script: "forwarding.py", name: name,
            configuration: """
                pool: {degraded_backoff_s: 1}
                providers: [{provider_id: m4, endpoint_url: "\(url)"}]
                """,
            arguments: [url]
        ).play()
    }
}
