import Primitives

enum PoolCommand: Command {
    private static let watch = Flag("watch", "Show it again and again, until Ctrl-C")
    private static let interval = ValueOption("interval", "SECONDS", "How often --watch asks", default: "2")

    static let usage = CommandUsage(
        "pool", "Show the providers of a running coordinator",
        discussion: "One row per provider; /poolz of the coordinator has all fields as JSON.",
        options: [
            .flag(watch), .value(interval), .value(OperatorOptions.url), .value(OperatorOptions.key),
            .value(OperatorOptions.config),
        ],
        examples: ["trunkline pool --config coordinator.yaml", "trunkline pool --watch"])

    static func run(_ arguments: Arguments) async throws -> ExitCode {
        let pause = try arguments.integer(interval, in: 1...3600) ?? 2
        let client = try OperatorOptions.client(arguments)
        let screen = Terminal.standardOutput
        guard arguments[watch] else {
            screen.write(try report(client).text)
            return .success
        }
        while true {
            let text: String
            do throws(CommandFailure) {
                text = try report(client).text
            } catch {
                // A coordinator that restarts comes back; a key that is wrong stays wrong.
                guard error.code == .unavailable else { throw error }
                text = "\(error.message)\n"
            }
            // To the top, and what is below the new text goes: nothing flickers.
            let whole = screen.isInteractive ? "\u{1B}[H\(clearingLineEnds(text))\u{1B}[J" : text + "\n"
            guard screen.write(whole) else { return .success }
            try await Task.sleep(for: .seconds(pause))
        }
    }

    private static func report(_ client: OperatorClient) throws(CommandFailure) -> PoolReport {
        try client.send(.get, "/poolz") { PoolReport($0) }
    }

    private static func clearingLineEnds(_ text: String) -> String { text.replacing("\n", with: "\u{1B}[K\n") }
}
