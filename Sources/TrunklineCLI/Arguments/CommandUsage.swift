/// What a command is for and accepts, and the help text made of it.
struct CommandUsage: Sendable {
    /// As typed after `trunkline`: `serve`, `config check`.
    let name: String
    /// One line for the list of commands.
    let summary: String
    /// A few lines for the command's own help.
    let discussion: String
    let arguments: ArgumentList
    /// Each a line that can be pasted into a shell.
    let examples: [String]

    init(
        _ name: String, _ summary: String, discussion: String = "", positionals: [Positional] = [],
        options: [ArgumentList.Definition] = [], examples: [String]
    ) {
        self.name = name
        self.summary = summary
        self.discussion = discussion
        arguments = ArgumentList(positionals: positionals, options: options)
        self.examples = examples
    }

    var helpText: String {
        var lines = [summary, "", "Usage: " + synopsis]
        if !discussion.isEmpty { lines += ["", discussion] }
        if !arguments.positionals.isEmpty {
            lines += ["", "Arguments:"] + Self.table(arguments.positionals.map { ($0.name, $0.summary) })
        }
        lines += ["", "Options:"] + Self.table(arguments.options.map(Self.row) + [("--help", "Show this text")])
        lines += ["", examples.count == 1 ? "Example:" : "Examples:"] + examples.map { "  " + $0 }
        return lines.joined(separator: "\n") + "\n"
    }

    var synopsis: String {
        var words = ["trunkline", name]
        for case .value(let option) in arguments.options where option.isRequired {
            words.append("--\(option.name) \(option.placeholder)")
        }
        if arguments.options.contains(where: { !$0.isRequired }) { words.append("[options]") }
        for positional in arguments.positionals {
            words.append(positional.isRequired ? positional.name : "[\(positional.name)]")
        }
        return words.joined(separator: " ")
    }

    private static func row(_ definition: ArgumentList.Definition) -> (String, String) {
        switch definition {
        case .flag(let flag):
            return ("--\(flag.name)", flag.summary)
        case .value(let option):
            var notes: [String] = []
            if let fallback = option.fallback { notes.append("default \(fallback)") }
            if let variable = option.environmentVariable { notes.append("or \(variable)") }
            let tail = notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))"
            return ("--\(option.name) \(option.placeholder)", option.summary + tail)
        }
    }

    /// Two columns; a long left cell gets a line of its own, a long right cell goes on below itself.
    static func table(_ rows: [(String, String)]) -> [String] {
        let indent = 2
        let column = min(30, (rows.map(\.0.count).max() ?? 0) + indent + 2)
        return rows.flatMap { left, right -> [String] in
            let wrapped = wrap(right, width: 100 - column)
            let head = String(repeating: " ", count: indent) + left
            var lines = wrapped.map { String(repeating: " ", count: column) + $0 }
            if head.count + 2 <= column, !lines.isEmpty {
                lines[0] = head + lines[0].dropFirst(head.count)
            } else {
                lines.insert(head, at: 0)
            }
            return lines
        }
    }

    private static func wrap(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return lines + (line.isEmpty ? [] : [line])
    }
}
