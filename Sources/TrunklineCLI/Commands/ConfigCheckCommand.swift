import Configuration

enum ConfigCheckCommand: Command {
    private static let file = Positional("FILE", "The configuration (default coordinator.yaml)")

    static let usage = CommandUsage(
        "config check", "Say whether a coordinator.yaml can be used",
        discussion: "Every mistake is shown with its line. Exit code 78 when there is one, 66 when there is no file.",
        positionals: [file],
        examples: ["trunkline config check coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let path = arguments.positionals.first ?? "coordinator.yaml"
        let configuration = try ConfigurationFile.load(path)
        let count = configuration.providers.count
        Terminal.standardOutput.write(
            "\(path) is fine: \(count) pinned provider\(count == 1 ? "" : "s"), buyers on "
                + "\(configuration.listen.bindAddress):\(configuration.listen.buyerPort), providers on port "
                + "\(configuration.listen.providerPort).\n")
        return .success
    }
}
