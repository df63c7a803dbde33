import Foundation
import Testing

/// Signals, deaths and departures, with streams in flight (docs/protocol.md, sections 7 and 13).
@Suite(.serialized, .timeLimit(.minutes(5))) struct ProcessLifeTests {
    /// A coordinator and a provider whose streams take a few seconds.
    private static func slowPool(shards: Int = 1) async throws -> (ServedPool, ChildProcess) {
        let pool = try await ServedPool(["--shards", String(shards)])
        do {
            return (pool, try await pool.lend("slow", ["--slots", "4", "--demo-pace-ms", "30"]))
        } catch {
            pool.server.kill()
            throw error
        }
    }

    private static func waitForStreams(_ count: Int, _ client: ChildProcess) async throws {
        for number in 0..<count {
            _ = try await client.line("stream \(number)") { $0 == "streaming \(number)" ? true : nil }
        }
    }

    /// With three shards the system spreads the streams' connections over hub and fronts as it likes.
    @Test(arguments: [1, 3]) func streamsInFlightSurviveSIGTERM(shards: Int) async throws {
        let (pool, provider) = try await Self.slowPool(shards: shards)
        defer { pool.server.kill() }
        defer { provider.kill() }
        let client = try await pool.start("holds_streams", ["3"])
        defer { client.kill() }
        try await Self.waitForStreams(3, client)
        pool.server.send(SIGTERM)
        _ = try await pool.server.event("drain_started", ["requests_active": "3"])
        #expect(!client.output.contains("complete"), "the streams ended too soon to show anything")
        try await client.succeed()
        #expect(try await pool.server.exit() == ChildProcess.Exit(code: 0, wasSignalled: false))
        #expect(pool.server.errorOutput.matches(of: #/"event":"drain_started"/#).count == 1, "each shard says so")
    }

    @Test(arguments: [(SIGTERM, 143), (SIGINT, 130)] as [(Int32, Int32)])
    func aSecondSignalEndsItAtOnce(_ second: Int32, _ code: Int32) async throws {
        let (pool, provider) = try await Self.slowPool()
        defer { pool.server.kill() }
        defer { provider.kill() }
        let client = try await pool.start("holds_streams", ["1"])
        defer { client.kill() }
        try await Self.waitForStreams(1, client)
        pool.server.send(SIGTERM)
        _ = try await pool.server.event("drain_started")
        pool.server.send(second)
        #expect(try await pool.server.exit() == ChildProcess.Exit(code: code, wasSignalled: false))
    }

    @Test func aProviderThatIsKilledBreaksItsStreamsCleanly() async throws {
        let (pool, provider) = try await Self.slowPool()
        defer { pool.server.kill() }
        defer { provider.kill() }
        let client = try await pool.start("hears_a_broken_stream")
        defer { client.kill() }
        _ = try await client.line("the first token") { $0 == "first token" ? true : nil }
        provider.kill()
        try await client.succeed()
    }

    @Test func aProviderFinishesWhatItHasBeforeItLeaves() async throws {
        let (pool, provider) = try await Self.slowPool()
        defer { pool.server.kill() }
        defer { provider.kill() }
        let client = try await pool.start("holds_streams", ["2"])
        defer { client.kill() }
        try await Self.waitForStreams(2, client)
        provider.send(SIGTERM)
        _ = try await pool.server.event("provider_state_changed", ["to": "draining"])
        #expect(!client.output.contains("complete"), "the streams ended too soon to show anything")
        try await client.succeed()
        #expect(try await provider.exit() == ChildProcess.Exit(code: 0, wasSignalled: false))
        _ = try await pool.server.event("provider_removed")
    }

    @Test func aBuyerThatLeavesFreesTheSlot() async throws {
        let (pool, provider) = try await Self.slowPool()
        defer { pool.server.kill() }
        defer { provider.kill() }
        try await pool.run("leaves")
        let record = try await pool.server.event("request_finished", ["provider_id": "slow"])
        // A client that has gone is 499 in the log, never 200.
        #expect(record["status"] == "499", "\(record)")
        _ = try await eventually("a pool without requests; \(pool.server.transcript)") {
            let health = try await fetchJSON(pool.operatorURL + "/healthz")
            return health["requests_active"] as? Int == 0 ? true : nil
        }
    }

    @Test func aProviderComesBackToARestartedCoordinator() async throws {
        let (pool, provider) = try await Self.slowPool()
        defer { provider.kill() }
        let address = String(pool.providerURL.dropFirst("ws://".count))
        pool.server.kill()
        _ = try await provider.event("coordinator_lost")
        let second = try await ServedPool(["--provider-listen", address])
        defer { second.server.kill() }
        _ = try await second.server.event("provider_registered", ["provider_id": "slow"])
    }
}
