import Configuration

enum ConfigReferenceCommand: Command {
    static let usage = CommandUsage(
        "config reference", "Print every key of coordinator.yaml with its default and meaning",
        discussion: "As Markdown; docs/configuration.md is this text.",
        examples: ["trunkline config reference | less"])

    static func run(_ arguments: Arguments) -> ExitCode {
        Terminal.standardOutput.write(
            """
            # The configuration

            Every key of `coordinator.yaml`. This page is what `trunkline config reference` prints; `trunkline config init`
            writes a file with all of it, and `trunkline config check` says whether a file is understood.

            \(ConfigurationReference.markdown)
            """)
        return .success
    }
}
