import Foundation
import Testing

/// One function of a script in `Python/`, and the coordinator that it is played against: a second implementation of the
/// protocol, which shares no line with the one under test.
struct Scenario: Sendable, CustomTestStringConvertible {
    struct Event: Sendable {
        var name: String
        var fields: [String: String]

        init(_ name: String, _ fields: [String: String] = [:]) {
            self.name = name
            self.fields = fields
        }
    }

    var script: String
    var name: String
    /// Lines of `coordinator.yaml`.
    var configuration: String
    var arguments: [String] = []
    /// What the log must tell about it.
    var events: [Event] = []

    /// Whether the script needs packages; the others make do with Python's standard library.
    var needsPackages = false

    var testDescription: String { "\(script.dropLast(3)) \(name)" }

    /// A script that runs on while it is needed.
    static func start(_ script: String, _ arguments: [String] = []) throws -> ChildProcess {
        let path = BuiltProduct.packageRoot.appendingPathComponent("Tests/EndToEndTests/Python/\(script)").path
        return try ChildProcess(URL(fileURLWithPath: "/usr/bin/env"), ["python3", "-u", path] + arguments)
    }

    func start(with pool: ServedPool) async throws -> ChildProcess {
        let arguments = [name, pool.buyerURL, pool.operatorURL, ServedPool.operatorKey] + arguments
        return needsPackages
            ? try await PythonScripts.client.start(script, arguments) : try Self.start(script, arguments)
    }

    /// Plays it to its end. Whatever it did, the coordinator then ends in good order.
    @discardableResult func play(shards: Int = 1) async throws -> ChildProcess {
        let file = try ConfigurationFile(configuration)
        let pool = try await ServedPool(["--config", file.path, "--shards", String(shards)])
        defer { pool.server.kill() }
        do {
            try await start(with: pool).succeed()
        } catch {
            throw Timeout(message: "\(error)\n\(pool.server.transcript)")
        }
        for event in events { _ = try await pool.server.event(event.name, event.fields) }
        pool.server.send(SIGTERM)
        let exit = try await pool.server.exit()
        #expect(exit == ChildProcess.Exit(code: 0, wasSignalled: false), "\(pool.server.transcript)")
        return pool.server
    }
}

/// A `coordinator.yaml` with free ports and a database of its own, removed when nobody needs it any more.
final class ConfigurationFile: Sendable {
    let directory: URL
    var path: String { directory.appendingPathComponent("coordinator.yaml").path }
    var database: String { directory.appendingPathComponent("coordinator.db").path }

    init(_ lines: String = "", requiresTokens: Bool = false) throws {
        directory = try TemporaryDirectory.make()
        let text = """
            listen: {buyer_port: 0, provider_port: 0}
            auth: {operator_key: "${TRUNKLINE_OPERATOR_KEY}", require_provider_token: \(requiresTokens)}
            storage: {db_path: "\(database)"}

            """
        try (text + lines).write(toFile: path, atomically: true, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }
}
