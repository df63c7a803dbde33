import Foundation
import Testing

/// What `deploy/` holds is tried, not only written.
@Suite(.serialized, .timeLimit(.minutes(5))) struct DeploymentTests {
    private static let deploy = BuiltProduct.packageRoot.appendingPathComponent("deploy")

    @Test(.enabled(if: InstalledProgram.path("nginx") != nil, "nginx is missing"))
    func nginxServes() async throws { try await Self.play("nginx") }

    @Test(.enabled(if: InstalledProgram.path("caddy") != nil, "caddy is missing"))
    func caddyServes() async throws { try await Self.play("caddy") }

    private static func play(_ name: String) async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        let program = try #require(InstalledProgram.path(name))
        try await Scenario(
            script: "proxies.py", name: name, configuration: "routing: {preflight_threshold_tokens: 1000000}",
            arguments: [program, deploy.path, directory.path]
        ).play()
    }

    @Test func theExampleIsWhatInitWrites() async throws {
        let child = try ChildProcess(trunkline: ["config", "init", "-"])
        try await child.succeed()
        let written = child.output.replacing(#/operator_key: "[0-9a-f]{64}"/#) { _ in
            "operator_key: \"${TRUNKLINE_OPERATOR_KEY}\""
        }
        let example = Self.deploy.appendingPathComponent("coordinator.example.yaml")
        #expect(
            try String(contentsOf: example, encoding: .utf8) == written,
            "take the output of `trunkline config init -`, with ${TRUNKLINE_OPERATOR_KEY} as the key")
    }

    @Test(
        .enabled(if: InstalledProgram.path("systemd-analyze") != nil, "systemd-analyze is missing"),
        arguments: ["trunkline.service", "trunkline-provide.service"])
    func systemdUnderstandsTheUnit(_ name: String) async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        // It looks for the program, which nobody has installed here.
        let unit = try String(contentsOf: Self.deploy.appendingPathComponent(name), encoding: .utf8)
            .replacing("/usr/local/bin/trunkline", with: BuiltProduct.trunkline.path)
        let file = directory.appendingPathComponent(name)
        try unit.write(to: file, atomically: true, encoding: .utf8)
        let program = try #require(InstalledProgram.path("systemd-analyze"))
        let check = try ChildProcess(URL(fileURLWithPath: program), ["verify", file.path])
        try await check.succeed()
        #expect(!check.errorOutput.contains(name), "\(check.transcript)")
    }
}
