enum VersionCommand: Command {
    static let usage = CommandUsage(
        "version", "Print the version", examples: ["trunkline version"])

    static func run(_ arguments: Arguments) -> ExitCode {
        Terminal.standardOutput.write("trunkline \(applicationVersion)\n")
        return .success
    }
}
