import Agent
import Environment
import Transport

enum ProvideCommand: Command {
    private static let coordinator = ValueOption(
        "coordinator", "URL", "ws:// or wss:// address of the coordinator's provider listener",
        environment: "TRUNKLINE_COORDINATOR", required: true)
    private static let engine = ValueOption(
        "engine", "URL", "The OpenAI-compatible server on this machine, or: demo", environment: "TRUNKLINE_ENGINE",
        required: true)
    private static let engineKey = ValueOption(
        "engine-key", "KEY", "Sent to the engine as Authorization: Bearer KEY", environment: "TRUNKLINE_ENGINE_KEY")
    private static let model = ValueOption(
        "model", "NAME", "Which of its models to offer (default: the first)", environment: "TRUNKLINE_MODEL")
    private static let id = ValueOption(
        "id", "NAME", "This machine's name in the pool (default: the host name)", environment: "TRUNKLINE_PROVIDER_ID")
    private static let tokenFile = ValueOption(
        "token-file", "FILE", "Holds the token that proves who this is (or: TRUNKLINE_TOKEN)",
        environment: "TRUNKLINE_TOKEN_FILE")
    private static let slots = ValueOption("slots", "N", "Requests at once", default: "1")
    private static let context = ValueOption("context", "TOKENS", "Longest prompt and answer", default: "4096")
    private static let parameters = ValueOption("params-b", "N", "Size of the model, in 10⁹ parameters", default: "0")
    private static let memory = ValueOption("ram-gb", "N", "Memory (default: what the machine has)")
    private static let throughput = ValueOption("tps", "N", "Tokens per second, until measured", default: "0")
    private static let pace = ValueOption("demo-pace-ms", "N", "Of the demo engine: time per word", default: "25")
    private static let encrypted = Flag(
        "encrypted", "Insist on sealed requests and answers (default: where the coordinator knows how)")
    private static let insecure = Flag("insecure", "Do not check the coordinator's certificate")

    static let usage = CommandUsage(
        "provide", "Lend this machine: offer a local engine to a coordinator",
        discussion: """
            The engine is any server that speaks OpenAI HTTP: llama.cpp, Ollama, MLX, LM Studio, vLLM. It
            needs no open port, since this program dials out and stays connected. SIGTERM and SIGINT
            (Ctrl-C) take no more requests, finish those in flight and leave; a second signal ends it at
            once. Secrets come from files or the environment, where `ps` does not show them.
            """,
        options: [
            .value(coordinator), .value(engine), .value(engineKey), .value(model), .value(id), .value(tokenFile),
            .value(slots), .value(context), .value(parameters), .value(memory), .value(throughput), .value(pace),
            .flag(encrypted), .flag(insecure), .value(LogOptions.level), .value(LogOptions.format),
        ],
        examples: [
            "trunkline provide --coordinator ws://127.0.0.1:8444 --engine http://127.0.0.1:11434",
            "trunkline provide --coordinator wss://llm.example.com --engine demo",
        ])

    /// What answers the requests.
    private enum EngineChoice {
        case demo(pace: Duration)
        case server(HTTPEngineSettings)
    }

    static func run(_ arguments: Arguments) async throws -> ExitCode {
        var settings = try agentSettings(arguments)
        settings.token = try token(arguments)
        let choice = try engineChoice(arguments)
        let log = try LogOptions.writer(
            arguments, format: Terminal.standardError.isInteractive ? .text : .json)
        defer { log.stop() }
        let shard = try Shard.start(Shard.Settings(name: "provider", log: log))
        let (stops, stopping) = AsyncStream<Agent.Stop>.makeStream()
        do {
            try await shard.run { [settings] environment in
                let engine = try makeEngine(choice, on: environment)
                let agent = Agent(settings: settings, engine: engine, environment: environment, dialer: environment) {
                    stopping.yield($0)
                    stopping.finish()
                }
                environment.keep(agent)
                try ShutdownSignals.watch(on: environment) { [unowned agent] _ in agent.startDrain() }
                agent.start()
            }
        } catch {
            await shard.stop()
            throw error
        }
        var stop: Agent.Stop?
        for await value in stops { stop = value }
        await shard.stop()
        if case .modelNotServed(let wanted, let available) = stop {
            throw CommandFailure(
                .unavailable, "the engine does not have the model “\(wanted)”",
                advice: available.isEmpty
                    ? "It lists no model at all." : "It has: \(available.prefix(20).joined(separator: ", "))")
        }
        return .success
    }

    private static func token(_ arguments: Arguments) throws(CommandFailure) -> String? {
        if let path = arguments[tokenFile] { return try SecretFile.read(path) }
        return Terminal.environmentVariable("TRUNKLINE_TOKEN").flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func agentSettings(_ arguments: Arguments) throws(UsageError) -> AgentSettings {
        let url = arguments[coordinator] ?? ""
        guard let address = CoordinatorAddress(url, verifiesCertificate: !arguments[insecure]) else {
            throw UsageError("--coordinator takes a ws:// or wss:// URL, not “\(url)”")
        }
        let hostname = HostFacts.hostname
        let name = arguments[id] ?? HostFacts.providerID(from: hostname)
        guard HostFacts.isProviderID(name) else {
            throw UsageError("--id takes up to 64 letters, digits, dots, dashes and underscores, not “\(name)”")
        }
        var settings = AgentSettings(
            coordinator: address, providerID: name, hostname: hostname, binaryVersion: applicationVersion)
        settings.encryption = arguments[encrypted] ? .required : .automatic
        settings.model = arguments[model]
        settings.slots = try arguments.integer(slots, in: 1...1024) ?? 1
        settings.maxContextTokens = try arguments.integer(context, in: 1...100_000_000) ?? 4096
        settings.modelParamsB = try arguments.number(parameters, in: 0...100_000) ?? 0
        settings.ramGB = try arguments.number(memory, in: 0...1_000_000) ?? HostFacts.memoryGB
        settings.throughputEstimate = try arguments.number(throughput, in: 0...1_000_000) ?? 0
        return settings
    }

    private static func engineChoice(_ arguments: Arguments) throws(UsageError) -> EngineChoice {
        let text = arguments[engine] ?? ""
        if text == "demo" {
            return .demo(pace: .milliseconds(try arguments.integer(pace, in: 0...60_000) ?? 25))
        }
        let settings = HTTPEngineSettings(baseURL: text, apiKey: arguments[engineKey])
        guard settings.endpoint != nil else {
            throw UsageError("--engine takes an http:// or https:// URL, or demo, not “\(text)”")
        }
        return .server(settings)
    }

    private static func makeEngine(
        _ choice: EngineChoice, on environment: ShardEnvironment
    ) throws(CommandFailure) -> any Engine {
        switch choice {
        case .demo(let pace):
            return DemoEngine(environment: environment, pace: pace)
        case .server(let settings):
            guard
                let engine = HTTPEngine(settings: settings, environment: environment, loop: environment.loop)
            else { throw CommandFailure(.failure, "libcurl cannot be started") }
            environment.atShutdown { engine.shutDown() }
            return engine
        }
    }
}
