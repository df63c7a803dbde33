/// What was given on the command line, checked against the command's ``ArgumentList``.
struct Arguments: Equatable, Sendable {
    var flags: Set<String> = []
    /// By option name; an option given twice keeps the last value, as everywhere.
    var values: [String: String] = [:]
    var positionals: [String] = []

    subscript(flag: Flag) -> Bool { flags.contains(flag.name) }
    subscript(option: ValueOption) -> String? { values[option.name] ?? option.fallback }

    /// Whether the value came from the user and not from the option's default.
    func isGiven(_ option: ValueOption) -> Bool { values[option.name] != nil }

    /// A whole number in `range`; nil when the option was not given and has no default.
    func integer(_ option: ValueOption, in range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = self[option] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw UsageError(
                "--\(option.name) takes a whole number from \(range.lowerBound) to \(range.upperBound), not “\(text)”")
        }
        return number
    }

    /// A number in `range`; nil when the option was not given and has no default.
    func number(_ option: ValueOption, in range: ClosedRange<Double>) throws(UsageError) -> Double? {
        guard let text = self[option] else { return nil }
        guard let number = Double(text), range.contains(number) else {
            throw UsageError(
                "--\(option.name) takes a number from \(range.lowerBound) to \(range.upperBound), not “\(text)”")
        }
        return number
    }
}

/// The command line was not understood; `message` says what and `suggestion` what was probably meant.
struct UsageError: Error, Equatable {
    var message: String
    var suggestion: String?

    init(_ message: String, suggestion: String? = nil) {
        self.message = message
        self.suggestion = suggestion
    }
}
