import Agent
import Configuration
import Environment
import Primitives
import Transport

enum DemoCommand: Command {
    private static let once = Flag("once", "Exit after the answer")
    private static let port = ValueOption(
        "port", "N", "Port for applications; providers get the next one (default 8443, or any free one)")
    private static let prompt = Positional("PROMPT", "What to ask (default: a question)")

    static let usage = CommandUsage(
        "demo", "See it work: a coordinator, a provider and one streamed answer",
        discussion: """
            Everything runs in this process and listens on this machine only. The demo model is a toy
            that chains words; the way of its answer is the real one, from WebSocket to HTTP. It keeps
            serving until Ctrl-C.
            """,
        positionals: [prompt],
        options: [.flag(once), .value(port)],
        examples: ["trunkline demo", "trunkline demo --once \"How does a relay work?\""])

    static func run(_ arguments: Arguments) async throws -> ExitCode {
        let given = try arguments.integer(port, in: 0...65_534)
        let question = Question(prompt: arguments.positionals.first ?? "How does a relay work?", maxTokens: 60)
        let log = try LogOptions.writer(Arguments(), level: .warn, format: .text)
        defer { log.stop() }
        let shard = try Shard.start(Shard.Settings(name: "demo", log: log))
        let client = try Shard.start(Shard.Settings(name: "client", log: log))
        let code: ExitCode
        do {
            code = try await play(question, port: given, isOnce: arguments[once], on: shard, client: client)
        } catch {
            await client.stop()
            await shard.stop()
            throw error
        }
        await client.stop()
        await shard.stop()
        return code
    }

    private static func play(
        _ question: Question, port: Int?, isOnce: Bool, on shard: Shard, client: Shard
    ) async throws -> ExitCode {
        let key = makeRandomKey()
        let (ended, ending) = AsyncStream<Never>.makeStream()
        let addresses = try await shard.run { environment in
            let pool = try DemoPool(operatorKey: key, port: port, on: environment)
            environment.keep(pool)
            try ShutdownSignals.watch(on: environment) { [unowned pool] signal in
                pool.drain(limit: ShutdownSignals.drainLimit(after: signal)) { ending.finish() }
            }
            return pool.addresses
        }
        Terminal.standardOutput.write(
            "A coordinator and one provider are running in this process, on this machine only.\n\n")
        try await waitForProvider(on: shard)
        Terminal.standardOutput.write("\(Terminal.standardOutput.bold("You:")) \(question.prompt)\n")
        Terminal.standardOutput.write("\(Terminal.standardOutput.bold("Model:")) ")
        let outcome = await StreamedQuestion.ask(
            question, at: HTTPEngineSettings(baseURL: addresses.buyerURL), on: client
        ) { Terminal.standardOutput.write(untrusted: $0) }
        // Its idle connection would otherwise be waited for.
        await client.stop()
        let code = try ChatCommand.conclude(outcome, base: addresses.buyerURL)
        if isOnce {
            shard.post { $0.resident(DemoPool.self)?.drain(limit: .seconds(1)) { ending.finish() } }
        } else {
            Terminal.standardOutput.write("\n" + DemoNextSteps.text(addresses, operatorKey: key))
        }
        for await _ in ended {}
        return code
    }

    /// The provider dials in over a real socket; that takes a few turns of the loop.
    private static func waitForProvider(on shard: Shard) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while await !shard.run({ $0.resident(DemoPool.self)?.hasProvider ?? false }) {
            guard ContinuousClock.now < deadline else {
                throw CommandFailure(.failure, "the demo provider did not get connected")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
