import Foundation

/// The official OpenAI client, in a virtual environment of its own under `.build`, made once and kept.
actor PythonClient {
    static let shared = PythonClient()

    private var interpreter: Task<URL, any Error>?

    private static let sources = BuiltProduct.packageRoot.appendingPathComponent("Tests/EndToEndTests/Python")

    /// Starts `script` of `Tests/EndToEndTests/Python`.
    func start(_ script: String, _ arguments: [String]) async throws -> ChildProcess {
        let python = try await ready()
        // -u: a line is here when it is printed, and tests wait for lines.
        return try ChildProcess(
            python, ["-u", Self.sources.appendingPathComponent(script).path] + arguments,
            environment: ["OPENAI_API_KEY": "sk-not-checked"])
    }

    private func ready() async throws -> URL {
        if let interpreter { return try await interpreter.value }
        let making = Task { try await Self.make() }
        interpreter = making
        return try await making.value
    }

    private static func make() async throws -> URL {
        let requirements = try String(
            contentsOf: sources.appendingPathComponent("requirements.txt"), encoding: .utf8)
        let home = BuiltProduct.packageRoot.appendingPathComponent(".build/openai-client")
        let stamp = home.appendingPathComponent("installed.txt")
        let python = home.appendingPathComponent("bin/python")
        if let installed = try? String(contentsOf: stamp, encoding: .utf8), installed == requirements { return python }
        try? FileManager.default.removeItem(at: home)
        try await run(URL(fileURLWithPath: "/usr/bin/env"), ["python3", "-m", "venv", home.path])
        try await run(
            python,
            [
                "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement",
                sources.appendingPathComponent("requirements.txt").path,
            ])
        try requirements.write(to: stamp, atomically: true, encoding: .utf8)
        return python
    }

    private static func run(_ executable: URL, _ arguments: [String]) async throws {
        var environment = ProcessInfo.processInfo.environment
        environment["PYTHONHOME"] = nil
        let child = try ChildProcess(executable, arguments, environment: environment)
        defer { child.kill() }
        guard try await child.exit(within: .seconds(300)).code == 0 else {
            throw Timeout(message: "cannot prepare the Python client: \(child.transcript)")
        }
    }
}
