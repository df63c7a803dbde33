import Foundation
import Testing

/// The coordinator as its own TLS end, and SIGHUP for a certificate that was renewed.
@Suite(.serialized, .timeLimit(.minutes(2))) struct TLSServingTests {
    /// A certificate in `directory` that any caller may replace by calling again.
    private static func makeCertificate(_ name: String, in directory: URL) async throws {
        try await ChildProcess(
            URL(fileURLWithPath: "/usr/bin/env"),
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-days",
                "2", "-subj", "/CN=\(name)", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                directory.appendingPathComponent("server.key").path, "-out",
                directory.appendingPathComponent("server.pem").path,
            ]
        ).succeed()
    }

    private static func configure(_ directory: URL) throws -> String {
        let certificate = directory.appendingPathComponent("server.pem").path
        let key = directory.appendingPathComponent("server.key").path
        let file = directory.appendingPathComponent("coordinator.yaml")
        let text = """
            auth: {operator_key: "\(ServedPool.operatorKey)"}
            listen:
              buyer_tls_cert: "\(certificate)"
              buyer_tls_key: "\(key)"
              provider_tls_cert: "\(certificate)"
              provider_tls_key: "\(key)"
            storage: {db_path: "\(directory.appendingPathComponent("coordinator.db").path)"}
            """
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    @Test func bothListenersSpeakTLSAndTakeARenewedCertificate() async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        try await Self.makeCertificate("first", in: directory)
        let pool = try await ServedPool(["--config", try Self.configure(directory)])
        defer { pool.server.kill() }
        #expect(
            pool.buyerURL.hasPrefix("https://") && pool.providerURL.hasPrefix("wss://"), "\(pool.server.transcript)")

        // A provider does not talk to a stranger, unless it is told to.
        let careful = try ChildProcess(
            trunkline: [
                "provide", "--coordinator", pool.providerURL, "--engine", "demo", "--id", "careful", "--log-format",
                "json",
            ])
        defer { careful.kill() }
        _ = try await careful.event("coordinator_unreachable")
        let provider = try await pool.lend("trusting", ["--insecure", "--demo-pace-ms", "1"])
        defer { provider.kill() }

        try await PythonScripts.client.run("tls.py", [pool.buyerURL, "first"])
        try await Self.makeCertificate("second", in: directory)
        pool.server.send(SIGHUP)
        _ = try await pool.server.event("certificate_reloaded")
        try await PythonScripts.client.run("tls.py", [pool.buyerURL, "second"])

        try "no certificate".write(
            to: directory.appendingPathComponent("server.pem"), atomically: true, encoding: .utf8)
        pool.server.send(SIGHUP)
        _ = try await pool.server.event("certificate_not_reloaded")
        try await PythonScripts.client.run("tls.py", [pool.buyerURL, "second"])
    }

    @Test func aCertificateThatCannotBeReadStopsTheStart() async throws {
        let directory = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: directory) }
        let server = try ChildProcess(
            trunkline: [
                "serve", "--config", try Self.configure(directory), "--db",
                directory.appendingPathComponent("a.db").path,
            ])
        defer { server.kill() }
        #expect(try await server.exit() == ChildProcess.Exit(code: 78, wasSignalled: false), "\(server.transcript)")
        #expect(server.errorOutput.contains("server.pem"), "\(server.transcript)")
    }
}
