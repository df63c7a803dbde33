import Foundation
import Testing

/// The whole way with a real inference server behind the provider: llama.cpp with a tiny model of random weights.
@Suite(.serialized, .timeLimit(.minutes(10))) struct RealEngineTests {
    private struct Engine {
        var process: ChildProcess
        var url: String
        var directory: URL

        init() async throws {
            directory = try TemporaryDirectory.make()
            let model = directory.appendingPathComponent("tiny.gguf").path
            try await PythonScripts.engines.run("make_tiny_gguf.py", [model])
            process = try await PythonScripts.engines.start("llama_server.py", [model])
            url = try await process.line("the engine's address") { line in
                line.hasPrefix("listening ") ? String(line.dropFirst("listening ".count)) : nil
            }
        }

        func end() {
            process.kill()
            try? FileManager.default.removeItem(at: directory)
        }
    }

    @Test func llamaCppAnswersThroughThePool() async throws {
        let engine = try await Engine()
        defer { engine.end() }
        let pool = try await ServedPool()
        defer { pool.server.kill() }
        let provider = try await pool.lend("llama", engine: engine.url, ["--slots", "2", "--context", "512"])
        defer { provider.kill() }
        for scenario in ["lists_models", "streams", "completes", "streams_in_two_languages"] {
            try await pool.run(scenario)
        }
        let answer = try ChildProcess(trunkline: ["chat", "--url", pool.buyerURL, "--max-tokens", "8", "Hello"])
        defer { answer.kill() }
        try await answer.succeed()
        #expect(answer.output.count > 1, "\(answer.transcript)")
    }

    @Test func aPinnedProviderWithAnEndpointIsServedOverHTTP() async throws {
        let engine = try await Engine()
        defer { engine.end() }
        let file = engine.directory.appendingPathComponent("coordinator.yaml")
        let configuration = """
            auth: {operator_key: "\(ServedPool.operatorKey)"}
            providers:
              - {provider_id: "pinned", endpoint_url: "\(engine.url)"}
            """
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let pool = try await ServedPool(["--config", file.path, "--db", file.path + ".db"])
        defer { pool.server.kill() }
        let provider = try await pool.lend("pinned", engine: engine.url, ["--slots", "2", "--context", "512"])
        defer { provider.kill() }
        let listing = try await fetchJSON(pool.operatorURL + "/poolz", bearer: ServedPool.operatorKey)
        let entry = try #require((listing["pool"] as? [[String: Any]])?.first, "\(listing)")
        #expect(entry["inference_path"] as? String == "http_forwarding", "\(entry)")
        #expect(entry["tier"] as? String == "pinned", "\(entry)")
        for scenario in ["streams", "completes", "maps_errors"] { try await pool.run(scenario) }
    }

    @Test func anEngineThatDiesIsNoticed() async throws {
        let engine = try await Engine()
        defer { engine.end() }
        let pool = try await ServedPool()
        defer { pool.server.kill() }
        let provider = try await pool.lend("llama", engine: engine.url)
        defer { provider.kill() }
        engine.process.kill()
        let chat = try ChildProcess(trunkline: ["chat", "--url", pool.buyerURL, "--model", "tiny.gguf", "Hello"])
        defer { chat.kill() }
        #expect(try await chat.exit().code != 0, "\(chat.transcript)")
        _ = try await pool.server.event("provider_state_changed", ["to": "degraded"])
    }

    @Test func aModelThatTheEngineLacksIsSaidAtOnce() async throws {
        let engine = try await Engine()
        defer { engine.end() }
        let provider = try ChildProcess(
            trunkline: [
                "provide", "--coordinator", "ws://127.0.0.1:1", "--engine", engine.url, "--model", "another",
            ])
        defer { provider.kill() }
        #expect(try await provider.exit() == ChildProcess.Exit(code: 69, wasSignalled: false))
        #expect(provider.errorOutput.contains("the engine does not have the model “another”"), "\(provider.transcript)")
        #expect(provider.errorOutput.contains("tiny.gguf"), "\(provider.transcript)")
    }
}
