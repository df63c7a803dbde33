import Foundation
import Testing

/// Tokens on the wire, and a database whose coordinator is killed while it writes.
@Suite(.serialized, .timeLimit(.minutes(5))) struct StorageScenarioTests {
    private func issueToken(_ file: ConfigurationFile) async throws -> String {
        let child = try ChildProcess(trunkline: ["token", "issue", "holder", "--db", file.database])
        try await child.succeed()
        return child.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func tokensOpenTheDoor() async throws {
        let file = try ConfigurationFile()
        let pool = try await ServedPool(["--config", file.path])
        defer { pool.server.kill() }
        let token = try await issueToken(file)
        let scenario = try await Scenario(
            script: "storage.py", name: "tokens_open_the_door", configuration: "", arguments: [token]
        ).start(with: pool)
        defer { scenario.kill() }
        _ = try await scenario.line("the token's use") { $0 == "inside" ? true : nil }
        try await ChildProcess(
            trunkline: ["token", "revoke", String(token.prefix(6)), "--db", file.database]
        ).succeed()
        try await scenario.succeed()
        #expect(!pool.server.errorOutput.contains(token), "the token is in the log")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: file.database))
        #expect(bytes.range(of: Data(token.utf8)) == nil, "the token is in the database")
    }

    @Test func nobodyJoinsWithoutAToken() async throws {
        let file = try ConfigurationFile(requiresTokens: true)
        let pool = try await ServedPool(["--config", file.path])
        defer { pool.server.kill() }
        let token = try await issueToken(file)
        let scenario = Scenario(
            script: "storage.py", name: "nobody_joins_without_a_token", configuration: "", arguments: [token])
        try await scenario.start(with: pool).succeed()
    }

    @Test func theDatabaseSurvivesAKillUnderLoad() async throws {
        // Pinned: no quota ends the load.
        let file = try ConfigurationFile("providers: [{provider_id: m4}]")
        let pool = try await ServedPool(["--config", file.path, "--log-level", "warn"])
        defer { pool.server.kill() }
        let scenario = try await Scenario(
            script: "storage.py", name: "requests_are_written_until_the_end", configuration: "",
            arguments: [file.database]
        ).start(with: pool)
        defer { scenario.kill() }
        let written = try await scenario.line("rows in the file") { line in
            line.hasPrefix("written ") ? String(line.dropFirst("written ".count)) : nil
        }
        pool.server.kill()
        try await scenario.succeed()
        try await Scenario.start("storage_check.py", [file.database, written]).succeed()

        let second = try await ServedPool(["--config", file.path])
        defer { second.server.kill() }
        let health = try await fetchJSON(second.operatorURL + "/healthz")
        #expect(health["storage"] as? String == "ok", "\(health)")
        #expect(!second.server.errorOutput.contains("storage_failed"), "\(second.server.transcript)")
    }
}
