/// One key of the file: where its value goes, what it may be, what it means. The reader, the error messages and the
/// printed reference all come from this.
///
/// The default is not said here: it is what `Root` has before anything is read.
struct ConfigurationKey<Root>: Sendable {
    /// `section.key`; inside a list's element just `key`.
    let path: String
    let binding: Binding
    let meaning: String
    /// Other spellings of the same key: those of coordinators whose files must keep working.
    let aliases: [String]
    let isRequired: Bool

    typealias Path<Value> = any WritableKeyPath<Root, Value> & Sendable

    enum Binding: Sendable {
        case seconds(Path<Duration>, ClosedRange<Int>)
        case count(Path<Int>, ClosedRange<Int>, unit: String)
        case number(Path<Double>, ClosedRange<Double>)
        case flag(Path<Bool>)
        case text(Path<String>, TextRule)
        case optionalText(Path<String?>, TextRule)
        case choice([String], read: @Sendable (Root) -> String, write: @Sendable (inout Root, String) -> Void)
    }

    init(
        _ path: String, _ binding: Binding, _ meaning: String, aliases: [String] = [], isRequired: Bool = false
    ) {
        self.path = path
        self.binding = binding
        self.meaning = meaning
        self.aliases = aliases
        self.isRequired = isRequired
    }

    /// What may stand there, to end the sentence "expected …".
    var allowed: String {
        switch binding {
        case .seconds(_, let range): "a whole number of seconds from \(range.lowerBound) to \(range.upperBound)"
        case .count(_, let range, let unit):
            "a whole number\(unit.isEmpty ? "" : " of \(unit)") from \(range.lowerBound) to \(range.upperBound)"
        case .number(_, let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .flag: "true or false"
        case .text(_, let rule), .optionalText(_, let rule): rule.allowed
        case .choice(let names, _, _): names.joined(separator: ", ").replacingLast(", ", with: " or ")
        }
    }

    var isSecret: Bool {
        if case .text(_, .secret) = binding { true } else { false }
    }

    /// The default as it would stand in the file, or nil when there is none.
    func defaultText(_ root: Root) -> String? {
        switch binding {
        case .seconds(let path, _): "\(root[keyPath: path].components.seconds)"
        case .count(let path, _, _): "\(root[keyPath: path])"
        case .number(let path, _): "\(root[keyPath: path])"
        case .flag(let path): "\(root[keyPath: path])"
        case .text(let path, _): root[keyPath: path].isEmpty ? nil : "\"\(root[keyPath: path])\""
        case .optionalText(let path, _): root[keyPath: path].map { "\"\($0)\"" }
        case .choice(_, let read, _): read(root)
        }
    }
}

extension String {
    fileprivate func replacingLast(_ old: String, with new: String) -> String {
        guard let last = ranges(of: old).last else { return self }
        return self[..<last.lowerBound] + new + self[last.upperBound...]
    }
}
