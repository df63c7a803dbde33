import Agent
import Primitives
import Transport

enum ChatCommand: Command {
    private static let prompt = Positional("PROMPT", "What to ask", required: true)
    private static let url = ValueOption(
        "url", "URL", "The endpoint, with or without /v1", default: "http://127.0.0.1:8443",
        environment: "TRUNKLINE_URL")
    private static let model = ValueOption("model", "NAME", "Which model (default: the first one listed)")
    private static let key = ValueOption(
        "key", "KEY", "Sent as Authorization: Bearer KEY", environment: "TRUNKLINE_API_KEY")
    private static let system = ValueOption("system", "TEXT", "Instructions before the question")
    private static let maxTokens = ValueOption("max-tokens", "N", "Longest answer")

    static let usage = CommandUsage(
        "chat", "Ask one question and print the answer as it comes",
        discussion: """
            Works against any OpenAI-compatible endpoint. The answer goes to standard output, everything
            else to standard error; the exit code is 0 only when the answer is whole, 69 when nobody can
            be reached.
            """,
        positionals: [prompt],
        options: [.value(url), .value(model), .value(key), .value(system), .value(maxTokens)],
        examples: [
            "trunkline chat \"Why is the sky blue?\"",
            "trunkline chat --url https://llm.example.com --model qwen2.5-7b \"Why is the sky blue?\"",
        ])

    static func run(_ arguments: Arguments) async throws -> ExitCode {
        let base = arguments[url] ?? ""
        let settings = HTTPEngineSettings(baseURL: base, apiKey: arguments[key])
        guard settings.endpoint != nil else {
            throw UsageError("--url takes an http:// or https:// URL, not “\(base)”")
        }
        let question = Question(
            model: arguments[model], system: arguments[system], prompt: arguments.positionals[0],
            maxTokens: try arguments.integer(maxTokens, in: 1...1_000_000))
        let shard = try Shard.start(Shard.Settings(name: "chat"))
        let outcome = await StreamedQuestion.ask(question, at: settings, on: shard) {
            Terminal.standardOutput.write(untrusted: $0)
        }
        await shard.stop()
        return try conclude(outcome, base: base)
    }

    /// Ends the answer's last line, or says what came instead of an answer.
    static func conclude(_ outcome: StreamedQuestion.Outcome, base: String) throws(CommandFailure) -> ExitCode {
        switch outcome {
        case .answered:
            Terminal.standardOutput.write("\n")
            return .success
        case .brokenOff(let message):
            Terminal.standardOutput.write("\n")
            throw CommandFailure(.failure, "the answer broke off: \(message)")
        case .noModel:
            throw CommandFailure(
                .unavailable, "\(base) lists no model: no provider is connected",
                advice: "Lend a machine with: trunkline provide --help")
        case .failed(let failure):
            throw CommandFailure(failure, base: base)
        }
    }
}

extension CommandFailure {
    /// What an endpoint's failure means to the person who asked.
    fileprivate init(_ failure: EngineFailure, base: String) {
        let said = failure.message.hasPrefix("engine ") ? String(failure.message.dropFirst(7)) : failure.message
        switch failure.kind {
        case .unreachable:
            self.init(
                .unavailable, "cannot reach \(base): \(said)",
                advice: "Is a coordinator running there? Start one with: trunkline serve")
        case .queueFull:
            self.init(.unavailable, "\(base) \(said)", advice: "Nobody is free to answer now; try again.")
        case .modelNotLoaded:
            self.init(.failure, "\(base) \(said)", advice: "Leave out --model to take the first one listed.")
        case .contextExceeded, .refused, .broken:
            self.init(.failure, "\(base) \(said)")
        }
    }
}
