import Foundation

/// A folder of Python scripts with a virtual environment of its own under `.build`, made once and kept for as long as
/// the folder's `requirements.txt` stays the same.
actor PythonScripts {
    /// The official OpenAI client.
    static let client = PythonScripts(folder: "Python", environment: "openai-client")
    /// A real inference server.
    static let engines = PythonScripts(folder: "Engines", environment: "engines")

    private let sources: URL
    private let home: URL
    private var interpreter: Task<URL, any Error>?

    init(folder: String, environment: String) {
        sources = BuiltProduct.packageRoot.appendingPathComponent("Tests/EndToEndTests/\(folder)")
        home = BuiltProduct.packageRoot.appendingPathComponent(".build/\(environment)")
    }

    func start(_ script: String, _ arguments: [String]) async throws -> ChildProcess {
        let python = try await ready()
        // -u: a line is here when it is printed, and tests wait for lines. The key is asked for, and checked by nobody.
        return try ChildProcess(
            python, ["-u", sources.appendingPathComponent(script).path] + arguments,
            environment: ["OPENAI_API_KEY": "sk-not-checked"])
    }

    /// Runs `code` to its end; throws with its output when it fails.
    func run(code: String) async throws -> String {
        let child = try ChildProcess(try await ready(), ["-c", code])
        try await child.succeed()
        return child.output
    }

    /// Runs `script` to its end; throws with its output when it fails.
    func run(_ script: String, _ arguments: [String]) async throws {
        try await start(script, arguments).succeed()
    }

    private func ready() async throws -> URL {
        if let interpreter { return try await interpreter.value }
        let making = Task { try await Self.make(sources.appendingPathComponent("requirements.txt"), in: home) }
        interpreter = making
        return try await making.value
    }

    private static func make(_ file: URL, in home: URL) async throws -> URL {
        let requirements = try String(contentsOf: file, encoding: .utf8)
        let stamp = home.appendingPathComponent("installed.txt")
        let python = home.appendingPathComponent("bin/python")
        if let installed = try? String(contentsOf: stamp, encoding: .utf8), installed == requirements { return python }
        try? FileManager.default.removeItem(at: home)
        let environment = ProcessInfo.processInfo.environment
        try await ChildProcess(
            URL(fileURLWithPath: "/usr/bin/env"), ["python3", "-m", "venv", home.path], environment: environment
        ).succeed()
        try await ChildProcess(
            python,
            [
                "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r",
                file.path,
            ],
            environment: environment
        ).succeed()
        try requirements.write(to: stamp, atomically: true, encoding: .utf8)
        return python
    }
}

extension ChildProcess {
    /// Waits for the end and throws with the whole transcript unless the exit code is 0.
    func succeed(within limit: Duration = .seconds(300)) async throws {
        defer { kill() }
        guard try await exit(within: limit) == Exit(code: 0, wasSignalled: false) else {
            throw Timeout(message: "failed: \(transcript)")
        }
    }
}
