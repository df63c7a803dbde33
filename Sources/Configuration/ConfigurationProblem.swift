/// One thing that is wrong with a configuration file.
package struct ConfigurationProblem: Error, Equatable, Sendable, CustomStringConvertible {
    package var file: String
    /// From 1; nil when the fault is not in a line (a missing file, a missing key).
    package var line: Int?
    /// `section.key`, or nil when no key is to blame.
    package var keyPath: String?
    /// What was found and what is allowed. Never a secret.
    package var message: String

    /// `file:line: key: message`
    package var description: String {
        var text = file
        if let line { text += ":\(line)" }
        if let keyPath { text += ": \(keyPath)" }
        return text + ": " + message
    }
}

/// Everything that is wrong with a file, in the order of its lines.
package struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    package var problems: [ConfigurationProblem]

    /// One problem a line.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
