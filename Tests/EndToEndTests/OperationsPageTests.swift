import Foundation
import Testing

/// `docs/operations.md` and `deploy/alerts.yml` speak of what there is: metrics and events of the running binary.
@Suite(.serialized, .timeLimit(.minutes(5))) struct OperationsPageTests {
    private static func text(_ path: String) throws -> String {
        try String(contentsOf: BuiltProduct.packageRoot.appendingPathComponent(path), encoding: .utf8)
    }

    private static func liveMetrics() async throws -> Set<String> {
        let file = try ConfigurationFile()
        let pool = try await ServedPool(["--config", file.path])
        defer { pool.server.kill() }
        let scenario = try await Scenario(script: "operators.py", name: "list_the_metrics", configuration: "")
            .start(with: pool)
        defer { scenario.kill() }
        let names = try await scenario.line("the metrics") { line in
            line.hasPrefix("metrics ") ? line.split(separator: " ").dropFirst().map(String.init) : nil
        }
        return Set(names)
    }

    @Test func everyMetricHasItsRow() async throws {
        let rows = try Self.text("docs/operations.md").matches(of: #/(?m)^\| `((?:trunkline|process)_[a-z_]+)` \|/#)
        let documented = rows.map { String($0.1) }
        let live = try await Self.liveMetrics()
        #expect(Set(documented).count == documented.count, "a metric has two rows")
        #expect(live.subtracting(documented).isEmpty, "without a row in docs/operations.md")
        #expect(Set(documented).subtracting(live).isEmpty, "in docs/operations.md, but not on the page")
    }

    @Test func alertsAskForMetricsThatExist() async throws {
        let live = try await Self.liveMetrics()
        for match in try Self.text("deploy/alerts.yml").matches(of: #/\b((?:trunkline|process)_[a-z_]+)/#) {
            let name = String(match.1)
            let family = name.replacing(#/_(bucket|sum|count)$/#, with: "")
            #expect(live.contains(name) || live.contains(family), "\(name)")
        }
        let page = try Self.text("docs/operations.md")
        for match in try Self.text("deploy/alerts.yml").matches(of: #/alert: ([A-Za-z]+)/#) {
            #expect(page.contains("| `\(match.1)` |"), "\(match.1) has no row in docs/operations.md")
        }
    }

    @Test(.enabled(if: InstalledProgram.path("promtool") != nil, "promtool is missing"))
    func prometheusUnderstandsTheAlerts() async throws {
        let promtool = try #require(InstalledProgram.path("promtool"))
        let rules = BuiltProduct.packageRoot.appendingPathComponent("deploy/alerts.yml").path
        try await ChildProcess(URL(fileURLWithPath: promtool), ["check", "rules", rules]).succeed()
    }

    @Test func everyEventThatIsNamedExists() throws {
        let sources = BuiltProduct.packageRoot.appendingPathComponent("Sources")
        let files = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
        var code = ""
        for case let file as URL in try #require(files) where file.pathExtension == "swift" {
            code += try String(contentsOf: file, encoding: .utf8)
        }
        let section = try #require(try Self.text("docs/operations.md").firstMatch(of: #/(?s)\n## The log\n(.*?)\n## /#))
            .1
        let rows = section.matches(of: #/(?m)^\| (`[a-z_`, ]+`) \| [a-z]/#)
        #expect(rows.count > 20)
        for row in rows {
            for name in row.1.matches(of: #/[a-z_]+/#) {
                #expect(code.contains("\"\(name.0)\""), "no event \(name.0)")
            }
        }
    }
}
