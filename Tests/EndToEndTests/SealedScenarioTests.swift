import Testing

/// The encrypted leg against a second implementation of it (docs/protocol.md, section 4).
@Suite(.serialized, .timeLimit(.minutes(5))) struct SealedScenarioTests {
    private static func scenario(_ name: String, _ configuration: String = "") -> Scenario {
        Scenario(script: "sealed.py", name: name, configuration: configuration, needsPackages: true)
    }

    @Test(
        arguments: [
            scenario("are_served_under_seal"),
            scenario("change_their_keys", "tier2: {rekey_after_requests: 2}"),
            scenario("are_closed_when_a_frame_does_not_open"),
            scenario("are_refused_with_the_right_code"),
        ])
    func providers(_ scenario: Scenario) async throws { try await scenario.play() }
}
