import Foundation
import Testing

/// `coordinator.yaml` from the command line: written, checked, refused, served.
@Suite(.timeLimit(.minutes(2))) struct ConfigurationFileTests {
    @Test func whatInitWritesIsServedOnce() async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        let path = directory.appendingPathComponent("coordinator.yaml").path
        try await ChildProcess(trunkline: ["config", "init", path]).succeed()
        try await ChildProcess(trunkline: ["config", "check", path]).succeed()
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600, "the key in it is a secret")

        let again = try ChildProcess(trunkline: ["config", "init", path])
        defer { again.kill() }
        #expect(try await again.exit().code == 73, "\(again.transcript)")

        let pool = try await ServedPool(["--config", path, "--db", path + ".db"])
        defer { pool.server.kill() }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let key = try #require(text.firstMatch(of: #/operator_key: "([0-9a-f]{64})"/#)).1
        let listing = try await fetchJSON(pool.operatorURL + "/poolz", bearer: String(key))
        #expect(listing["pool"] is [Any], "\(listing)")
        let refusal = try await fetchJSON(pool.operatorURL + "/poolz", bearer: "another key")
        #expect((refusal["error"] as? [String: Any])?["code"] as? String == "invalid_operator_token", "\(refusal)")
    }

    @Test func everyMistakeIsShownWithItsLine() async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        let file = directory.appendingPathComponent("bad.yaml")
        let text = """
            lissten: {}
            auth: {operator_key: "0123456789abcdef"}
            ws:
              write_timeout_s: soon
            """
        try text.write(to: file, atomically: true, encoding: .utf8)
        for command in [["config", "check", file.path], ["serve", "--config", file.path]] {
            let child = try ChildProcess(trunkline: command)
            defer { child.kill() }
            #expect(try await child.exit() == ChildProcess.Exit(code: 78, wasSignalled: false), "\(child.transcript)")
            #expect(child.errorOutput.contains("bad.yaml:1: lissten"), "\(child.transcript)")
            #expect(child.errorOutput.contains("bad.yaml:4: ws.write_timeout_s"), "\(child.transcript)")
        }
    }

    @Test func aPortThatIsTakenIsSaid() async throws {
        let pool = try await ServedPool()
        defer { pool.server.kill() }
        let address = String(pool.buyerURL.dropFirst("http://".count))
        let second = try ChildProcess(
            trunkline: ["serve", "--buyer-listen", address, "--provider-listen", "127.0.0.1:0"])
        defer { second.kill() }
        #expect(try await second.exit() == ChildProcess.Exit(code: 69, wasSignalled: false), "\(second.transcript)")
        #expect(second.errorOutput.contains(address), "\(second.transcript)")
    }

    @Test func theReferenceInDocsIsTheProgramsOwn() async throws {
        let child = try ChildProcess(trunkline: ["config", "reference"])
        try await child.succeed()
        let page = BuiltProduct.packageRoot.appendingPathComponent("docs/configuration.md")
        #expect(
            try String(contentsOf: page, encoding: .utf8) == child.output,
            "run: trunkline config reference > docs/configuration.md")
    }
}
