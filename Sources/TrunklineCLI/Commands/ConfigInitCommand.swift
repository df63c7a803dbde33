import Configuration

enum ConfigInitCommand: Command {
    private static let file = Positional("FILE", "Where to write it; - for standard output (default coordinator.yaml)")

    static let usage = CommandUsage(
        "config init", "Write a commented coordinator.yaml with a fresh operator key",
        discussion: "An existing file is left alone.",
        positionals: [file],
        examples: ["trunkline config init coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let path = arguments.positionals.first ?? "coordinator.yaml"
        let text = ConfigurationReference.yaml.replacing("${TRUNKLINE_OPERATOR_KEY}", with: makeRandomKey())
        if path == "-" {
            Terminal.standardOutput.write(text)
            return .success
        }
        try OutputFile.create(path, text)
        Terminal.standardOutput.write(
            "Wrote \(path), with a fresh operator key in it. Next: trunkline serve --config \(path)\n")
        return .success
    }
}
