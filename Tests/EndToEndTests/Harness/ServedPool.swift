import Foundation
import Testing

/// A coordinator in a process of its own, and the providers that a test lends to it.
final class ServedPool: Sendable {
    static let operatorKey = "a-key-that-only-tests-know"

    let server: ChildProcess
    let buyerURL: String
    let providerURL: String
    let operatorURL: String
    private let directory: URL

    /// With a database of its own, unless `arguments` name another or a configuration, which is then to name one.
    init(_ arguments: [String] = []) async throws {
        directory = try TemporaryDirectory.make()
        var words = [
            "serve", "--buyer-listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0", "--log-level", "debug",
        ]
        let namesDatabase = arguments.contains("--db") || arguments.contains("--config")
        if !namesDatabase { words += ["--db", directory.appendingPathComponent("coordinator.db").path] }
        let server = try ChildProcess(
            trunkline: words + arguments, environment: ["TRUNKLINE_OPERATOR_KEY": Self.operatorKey])
        self.server = server
        do {
            buyerURL = try await server.value(of: "Buyers:", droppingSuffix: "/v1")
            providerURL = try await server.value(of: "Providers:", droppingSuffix: "/ws/provider")
            operatorURL = try await server.value(of: "Operators:", droppingSuffix: "/poolz")
        } catch {
            server.kill()
            throw error
        }
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// Starts a provider and waits until the coordinator has it.
    func lend(_ id: String = "test", engine: String = "demo", _ arguments: [String] = []) async throws -> ChildProcess {
        let provider = try ChildProcess(
            trunkline: [
                "provide", "--coordinator", providerURL, "--engine", engine, "--id", id, "--log-format", "json",
            ] + arguments)
        do {
            _ = try await provider.event("coordinator_connected")
            return provider
        } catch {
            provider.kill()
            throw error
        }
    }

    /// Runs one scenario of the OpenAI client to its end.
    func run(_ scenario: String, _ arguments: [String] = []) async throws {
        try await PythonScripts.client.run("client.py", [scenario, buyerURL] + arguments)
    }

    func start(_ scenario: String, _ arguments: [String] = []) async throws -> ChildProcess {
        try await PythonScripts.client.start("client.py", [scenario, buyerURL] + arguments)
    }
}

extension ChildProcess {
    fileprivate func value(of label: String, droppingSuffix suffix: String) async throws -> String {
        try await line("the line “\(label)”") { line in
            guard line.hasPrefix(label), line.hasSuffix(suffix) else { return nil }
            return String(line.dropFirst(label.count).dropLast(suffix.count)).trimmingCharacters(in: .whitespaces)
        }
    }

    /// Waits for a record of the JSON log with this event and these fields.
    func event(
        _ name: String, _ fields: [String: String] = [:], within limit: Duration = .seconds(60)
    ) async throws -> [String: String] {
        try await line(within: limit, "the event \(name) \(fields)") { line in
            guard let record = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
                record["event"] as? String == name
            else { return nil }
            let texts = record.mapValues { "\($0)" }
            return fields.allSatisfy { texts[$0.key] == $0.value } ? texts : nil
        }
    }
}
