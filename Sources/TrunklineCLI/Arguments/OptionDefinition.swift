/// An option that is there or not: `--once`.
struct Flag: Sendable {
    let name: String
    let summary: String

    init(_ name: String, _ summary: String) {
        self.name = name
        self.summary = summary
    }
}

/// An option with a value: `--listen HOST:PORT` or `--listen=HOST:PORT`.
struct ValueOption: Sendable {
    let name: String
    /// What stands for the value in the help: `HOST:PORT`.
    let placeholder: String
    let summary: String
    /// Used when the option is not given, and shown in the help.
    let fallback: String?
    /// The environment variable that is read when the option is not given.
    let environmentVariable: String?
    let isRequired: Bool

    init(
        _ name: String, _ placeholder: String, _ summary: String, default fallback: String? = nil,
        environment: String? = nil, required: Bool = false
    ) {
        self.name = name
        self.placeholder = placeholder
        self.summary = summary
        self.fallback = fallback
        environmentVariable = environment
        isRequired = required
    }
}

/// An argument without a name, known by its place.
struct Positional: Sendable {
    let name: String
    let summary: String
    let isRequired: Bool

    init(_ name: String, _ summary: String, required: Bool = false) {
        self.name = name
        self.summary = summary
        isRequired = required
    }
}

/// All that a command accepts, in the order in which its help shows it.
struct ArgumentList: Sendable {
    enum Definition: Sendable {
        case flag(Flag)
        case value(ValueOption)

        var name: String {
            switch self {
            case .flag(let flag): flag.name
            case .value(let option): option.name
            }
        }

        var isRequired: Bool {
            switch self {
            case .flag: false
            case .value(let option): option.isRequired
            }
        }
    }

    var positionals: [Positional] = []
    var options: [Definition] = []
}
