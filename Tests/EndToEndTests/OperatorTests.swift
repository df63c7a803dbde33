import Foundation
import Testing

/// What operators do from the command line, and what outlives a coordinator that is killed.
@Suite(.serialized, .timeLimit(.minutes(5))) struct OperatorTests {
    private let directory: URL
    private var database: String { directory.appendingPathComponent("coordinator.db").path }

    init() throws { directory = try TemporaryDirectory.make() }

    private func serve() async throws -> ServedPool { try await ServedPool(["--db", database]) }

    /// Runs a command to its end.
    private func trunkline(
        _ arguments: [String], at pool: ServedPool? = nil, code: Int32 = 0
    ) async throws -> String {
        var environment = ["TRUNKLINE_OPERATOR_KEY": ServedPool.operatorKey]
        if let pool { environment["TRUNKLINE_OPERATOR_URL"] = pool.operatorURL }
        let child = try ChildProcess(trunkline: arguments, environment: environment)
        defer { child.kill() }
        let exit = try await child.exit()
        #expect(exit == ChildProcess.Exit(code: code, wasSignalled: false), "\(child.transcript)")
        return code == 0 ? child.output : child.errorOutput
    }

    private func provisional(_ pool: ServedPool) async throws -> [String: Any] {
        try await fetchJSON(pool.operatorURL + "/admin/provisional", bearer: ServedPool.operatorKey)
    }

    @Test func aTokenIsIssuedUsedAndRevokedWhileTheCoordinatorRuns() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let pool = try await serve()
        defer { pool.server.kill() }
        let output = try await trunkline(["token", "issue", "holder", "--db", database])
        let token = output.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(token.count == 64)
        _ = try await pool.server.event("provider_tokens_changed", ["count": "1"])
        let tokenFile = directory.appendingPathComponent("token").path
        try output.write(toFile: tokenFile, atomically: true, encoding: .utf8)
        let holder = try await pool.lend("holder", ["--token-file", tokenFile])
        defer { holder.kill() }
        let thief = try ChildProcess(
            trunkline: [
                "provide", "--coordinator", pool.providerURL, "--engine", "demo", "--id", "thief",
            ], environment: ["TRUNKLINE_TOKEN": token])
        defer { thief.kill() }
        _ = try await pool.server.event("provider_refused", ["code": "4005"])
        thief.kill()

        let prefix = String(token.prefix(6))
        _ = try await trunkline(["token", "revoke", prefix, "--db", database])
        _ = try await pool.server.event("provider_tokens_changed", ["count": "0"])
        // The session that joined with it lives on.
        #expect(try await trunkline(["pool"], at: pool).contains("holder"))
        let list = try await trunkline(["token", "list", "--db", database])
        #expect(list.contains(prefix) && list.contains("revoked") && !list.contains(token) && !list.contains("never"))

        let again = try await trunkline(["token", "revoke-and-kick", prefix, "--db", database], at: pool)
        #expect(again.contains("holder is draining"))
        _ = try await pool.server.event("provider_removed", ["provider_id": "holder"])
        let unknown = try await trunkline(["token", "revoke", "000000", "--db", database], code: 1)
        #expect(unknown.contains("no such token"))
    }

    @Test func decisionsAndRequestsOutliveAKill() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let first = try await serve()
        defer { first.server.kill() }
        let good = try await first.lend("good")
        defer { good.kill() }
        let bad = try await first.lend("bad")
        defer { bad.kill() }
        _ = try await trunkline(["chat", "--url", first.buyerURL, "hello"])
        #expect(try await trunkline(["promote", "good"], at: first).contains("good is pinned"))
        #expect(try await trunkline(["promote", "good"], at: first, code: 1).contains("pinned already"))
        #expect(try await trunkline(["reject", "bad", "--reason", "bad answers"], at: first).contains("bad is banned"))
        _ = try await first.server.event("provider_removed", ["provider_id": "bad"])
        // The answer is read behind what was written, so all of it is in the file then.
        let list = try await provisional(first)
        #expect((list["summary"] as? [String: Any])?["promoted"] as? Int == 1, "\(list)")
        let health = try await fetchJSON(first.operatorURL + "/healthz")
        #expect(health["storage"] as? String == "ok")
        first.server.kill()
        good.kill()
        bad.kill()

        let second = try await serve()
        defer { second.server.kill() }
        let goodAgain = try await second.lend("good")
        defer { goodAgain.kill() }
        let registered = try await second.server.event("provider_registered", ["provider_id": "good"])
        #expect(registered["tier"] == "pinned")
        let badAgain = try ChildProcess(
            trunkline: ["provide", "--coordinator", second.providerURL, "--engine", "demo", "--id", "bad"])
        defer { badAgain.kill() }
        _ = try await second.server.event("provider_refused", ["code": "4009"])
        let served = (try await provisional(second)["provisional"] as? [[String: Any]])?
            .compactMap { $0["total_requests_served"] as? Int }.reduce(0, +)
        #expect(served == 1)
    }

    @Test func aDatabaseThatCannotBeOpenedDoesNotStopTheRelay() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let missing = directory.appendingPathComponent("missing")
        let pool = try await ServedPool(["--db", missing.appendingPathComponent("coordinator.db").path])
        defer { pool.server.kill() }
        let provider = try await pool.lend("m1")
        defer { provider.kill() }
        _ = try await trunkline(["chat", "--url", pool.buyerURL, "hello"])
        let health = try await fetchJSON(pool.operatorURL + "/healthz")
        #expect(health["status"] as? String == "ok")
        #expect(health["storage"] as? String == "degraded")
        #expect(health["storage_reason"] as? String == "unavailable")
        #expect(try await provisional(pool)["error"] != nil)

        try FileManager.default.createDirectory(at: missing, withIntermediateDirectories: false)
        _ = try await pool.server.event("storage_recovered")
        let providers = try await provisional(pool)["provisional"] as? [[String: Any]]
        #expect(providers?.first?["provider_id"] as? String == "m1")
        #expect(providers?.first?["currently_connected"] as? Bool == true)
        pool.server.send(SIGTERM)
        #expect(try await pool.server.exit() == ChildProcess.Exit(code: 0, wasSignalled: false))
    }

    @Test func ordersNeedAKeyAndACoordinator() async throws {
        defer { try? FileManager.default.removeItem(at: directory) }
        let pool = try await serve()
        defer { pool.server.kill() }
        let wrong = try await trunkline(["pool", "--key", "wrong"], at: pool, code: 77)
        #expect(wrong.contains("does not take this operator key"))
        #expect(try await trunkline(["pool"], at: pool).contains("No provider is connected"))
        #expect(try await trunkline(["blacklist", "nobody"], at: pool, code: 1).contains("not known"))
        #expect(try await trunkline(["pool", "--url", "http://127.0.0.1:1"], code: 69).contains("cannot reach"))
        #expect(try await trunkline(["reject", "a b"], at: pool, code: 2).contains("a provider's id"))
        let none = directory.appendingPathComponent("none.db").path
        #expect(try await trunkline(["token", "list", "--db", none], code: 66).contains("none.db"))
        #expect(!FileManager.default.fileExists(atPath: none))
    }
}
