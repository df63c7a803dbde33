import Configuration

/// Finds the command, parses its arguments, runs it and says what went wrong.
enum CommandLineTool {
    static let commands: [any Command.Type] = [
        DemoCommand.self, ServeCommand.self, ProvideCommand.self, ChatCommand.self, PoolCommand.self,
        PromoteCommand.self, RejectCommand.self, BlacklistCommand.self, TokenIssueCommand.self, TokenListCommand.self,
        TokenRevokeCommand.self, TokenRevokeAndKickCommand.self, ConfigInitCommand.self, ConfigCheckCommand.self,
        ConfigReferenceCommand.self, VersionCommand.self,
    ]

    static func run(_ words: [String]) async -> ExitCode {
        guard let first = words.first else {
            Terminal.standardError.write(overview)
            return .usage
        }
        switch first {
        case "--help", "-h":
            Terminal.standardOutput.write(overview)
            return .success
        case "help":
            return help(for: Array(words.dropFirst()))
        case "--version":
            return await run(["version"])
        default:
            break
        }
        guard let command = command(for: words) else { return unknown(words) }
        let name = command.usage.name
        let rest = words.dropFirst(name.split(separator: " ").count)
        do {
            let parser = ArgumentParser(command.usage.arguments, environment: Terminal.environmentVariable)
            switch try parser.parse(rest) {
            case .help:
                Terminal.standardOutput.write(command.usage.helpText)
                return .success
            case .run(let arguments):
                return try await command.run(arguments)
            }
        } catch let error as UsageError {
            complain(error.message)
            if let suggestion = error.suggestion { advise("Did you mean \(suggestion)?") }
            advise("See: trunkline \(name) --help")
            return .usage
        } catch let failure as CommandFailure {
            complain(failure.message)
            if let advice = failure.advice { advise(advice) }
            return failure.code
        } catch {
            complain("\(error)")
            return .failure
        }
    }

    /// The command whose name stands at the front; two words win over one.
    private static func command(for words: [String]) -> (any Command.Type)? {
        for length in [2, 1] {
            let name = words.prefix(length).joined(separator: " ")
            if let command = commands.first(where: { $0.usage.name == name }) { return command }
        }
        return nil
    }

    private static func help(for words: [String]) -> ExitCode {
        guard !words.isEmpty else {
            Terminal.standardOutput.write(overview)
            return .success
        }
        guard let command = command(for: words) else { return unknown(words) }
        Terminal.standardOutput.write(command.usage.helpText)
        return .success
    }

    private static func unknown(_ words: [String]) -> ExitCode {
        let names = commands.map { $0.usage.name }
        let group = names.filter { $0.hasPrefix(words[0] + " ") }
        if !group.isEmpty {
            if let second = words.dropFirst().first, second == "--help" || second == "-h" {
                let rows = commands.filter { group.contains($0.usage.name) }.map { ($0.usage.name, $0.usage.summary) }
                Terminal.standardOutput.write(CommandUsage.table(rows).joined(separator: "\n") + "\n")
                return .success
            }
            complain(
                "“\(words[0])” is followed by one of: \(group.map { $0.dropFirst(words[0].count + 1) }.joined(separator: ", "))"
            )
        } else {
            complain("unknown command “\(words[0])”")
            if let suggestion = NearestName.of(words[0], among: names + ["help"]) {
                advise("Did you mean trunkline \(suggestion)?")
            }
        }
        advise("See: trunkline --help")
        return .usage
    }

    static var overview: String {
        let rows = commands.map { ($0.usage.name, $0.usage.summary) }
        return """
            trunkline \(applicationVersion): one OpenAI-compatible endpoint in front of many machines that run models

            Usage: trunkline COMMAND [options]

            Commands:
            \(CommandUsage.table(rows).joined(separator: "\n"))

            trunkline COMMAND --help explains one of them, with an example. Start with: trunkline demo

            """
    }

    private static func complain(_ message: String) {
        Terminal.standardError.write("trunkline: \(message)\n")
    }

    private static func advise(_ message: String) {
        Terminal.standardError.write("  \(message)\n")
    }
}
