import Configuration

/// Turns words into ``Arguments``: `--name value`, `--name=value`, flags, positionals, `--` before words that start
/// with a dash.
struct ArgumentParser {
    enum Outcome: Equatable {
        case run(Arguments)
        /// `--help` or `-h` stood among the words; wins over every mistake.
        case help
    }

    let accepted: ArgumentList
    let environment: @Sendable (String) -> String?

    init(_ accepted: ArgumentList, environment: @escaping @Sendable (String) -> String? = { _ in nil }) {
        self.accepted = accepted
        self.environment = environment
    }

    func parse(_ words: some Sequence<String>) throws(UsageError) -> Outcome {
        let words = Array(words)
        if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) { return .help }
        var arguments = Arguments()
        var rest = words[...]
        while let word = rest.popFirst() {
            if word == "--" {
                for positional in rest { try append(positional, to: &arguments) }
                break
            }
            if word.hasPrefix("--") {
                try parseOption(word.dropFirst(2), rest: &rest, into: &arguments)
            } else if word.hasPrefix("-"), word != "-" {
                throw UsageError(
                    "unknown option “\(word)”; options have two dashes", suggestion: suggestion(for: word.dropFirst()))
            } else {
                try append(word, to: &arguments)
            }
        }
        try complete(&arguments)
        return .run(arguments)
    }

    private func parseOption(
        _ word: Substring, rest: inout ArraySlice<String>, into arguments: inout Arguments
    ) throws(UsageError) {
        let name = word.prefix { $0 != "=" }
        let inlineValue = name.endIndex == word.endIndex ? nil : String(word[word.index(after: name.endIndex)...])
        switch accepted.options.first(where: { $0.name == name }) {
        case nil:
            throw UsageError("unknown option “--\(name)”", suggestion: suggestion(for: name))
        case .flag(let flag):
            guard inlineValue == nil else { throw UsageError("--\(flag.name) takes no value") }
            arguments.flags.insert(flag.name)
        case .value(let option):
            if let inlineValue {
                arguments.values[option.name] = inlineValue
            } else if let value = rest.first, !value.hasPrefix("--") {
                arguments.values[option.name] = value
                rest.removeFirst()
            } else {
                throw UsageError("--\(option.name) needs a value: --\(option.name) \(option.placeholder)")
            }
        }
    }

    private func append(_ word: String, to arguments: inout Arguments) throws(UsageError) {
        guard arguments.positionals.count < accepted.positionals.count else {
            throw UsageError("unexpected argument “\(word)”")
        }
        arguments.positionals.append(word)
    }

    /// Takes what is missing from the environment, and refuses when something required is still missing.
    private func complete(_ arguments: inout Arguments) throws(UsageError) {
        for case .value(let option) in accepted.options where arguments.values[option.name] == nil {
            if let variable = option.environmentVariable, let value = environment(variable), !value.isEmpty {
                arguments.values[option.name] = value
            } else if option.isRequired {
                throw UsageError("--\(option.name) \(option.placeholder) is required")
            }
        }
        let required = accepted.positionals.prefix { $0.isRequired }
        if arguments.positionals.count < required.count {
            throw UsageError("\(required[arguments.positionals.count].name) is required")
        }
    }

    private func suggestion(for name: some StringProtocol) -> String? {
        NearestName.of(String(name), among: accepted.options.map(\.name) + ["help"]).map { "--\($0)" }
    }
}
