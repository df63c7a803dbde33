import Foundation
import Testing

/// The official OpenAI client against a coordinator and a provider in processes of their own.
@Suite(.serialized, .timeLimit(.minutes(5))) struct OpenAIClientTests {
    @Test(arguments: ["lists_models", "streams", "completes", "streams_in_two_languages", "maps_errors"])
    func theClientIsServed(_ scenario: String) async throws {
        let pool = try await ServedPool()
        defer { pool.server.kill() }
        let provider = try await pool.lend("first", ["--slots", "2", "--demo-pace-ms", "1"])
        defer { provider.kill() }
        try await pool.run(scenario)
    }

    @Test func aModelWhoseProviderHasGoneIsUnavailable() async throws {
        let pool = try await ServedPool()
        defer { pool.server.kill() }
        let provider = try await pool.lend()
        defer { provider.kill() }
        provider.send(SIGTERM)
        #expect(try await provider.exit().code == 0, "\(provider.transcript)")
        _ = try await pool.server.event("provider_removed")
        try await pool.run("finds_nobody", ["trunkline-demo"])
    }
}
