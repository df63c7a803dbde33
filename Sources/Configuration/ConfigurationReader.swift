/// Turns the tree of a file into a configuration and collects everything that is wrong with it.
struct ConfigurationReader {
    /// A file that is wrong everywhere is not helped by a thousand lines.
    static let maximumProblemCount = 100

    let file: String
    let environment: (String) -> String?
    private(set) var problems: [ConfigurationProblem] = []
    private var configuration = CoordinatorConfiguration()
    /// Where each key was given, by the key's own path.
    private var lines: [String: Int] = [:]

    init(file: String, environment: @escaping (String) -> String?) {
        self.file = file
        self.environment = environment
    }

    static func read(
        _ text: [UInt8], file: String, environment: @escaping (String) -> String?
    ) throws(ConfigurationError) -> CoordinatorConfiguration {
        var reader = ConfigurationReader(file: file, environment: environment)
        do throws(YAMLError) {
            if let root = try YAMLReader.read(text), !root.isNull {
                reader.readRoot(root)
            } else {
                reader.report(nil, nil, "the file is empty; at least auth.operator_key must be given")
            }
        } catch {
            reader.report(error.line, nil, error.message)
        }
        guard reader.problems.isEmpty else {
            // The sort keeps the order within a line; what has no line comes last.
            throw ConfigurationError(
                problems: reader.problems.enumerated().sorted {
                    ($0.element.line ?? .max, $0.offset) < ($1.element.line ?? .max, $1.offset)
                }.map(\.element))
        }
        return reader.configuration
    }

    private mutating func report(_ line: Int?, _ keyPath: String?, _ message: String) {
        guard problems.count < Self.maximumProblemCount else { return }
        problems.append(ConfigurationProblem(file: file, line: line, keyPath: keyPath, message: message))
    }

    // MARK: Sections

    private static let keysByPath: [String: ConfigurationKey<CoordinatorConfiguration>] = {
        var byPath: [String: ConfigurationKey<CoordinatorConfiguration>] = [:]
        for key in CoordinatorConfiguration.keys {
            for path in [key.path] + key.aliases { byPath[path] = key }
        }
        return byPath
    }()

    /// Sections that only aliases live in are known, but not suggested.
    private static let sectionNames = Set(keysByPath.keys.map { String($0.prefix { $0 != "." }) })
    private static let suggestedSections = CoordinatorConfiguration.sections.map(\.name) + ["providers"]

    private mutating func readRoot(_ root: YAMLNode) {
        guard case .mapping(let members) = root.content else {
            report(root.line, nil, "found \(found(root)), expected sections such as `listen:`")
            return
        }
        var seen: [String: Int] = [:]
        for member in members {
            if let line = seen[member.key] {
                report(member.line, member.key, "is given twice; the first is in line \(line)")
                continue
            }
            seen[member.key] = member.line
            if member.key == "providers" {
                readProviders(member.value)
            } else if Self.sectionNames.contains(member.key) {
                readSection(member.key, member.value)
            } else {
                reportUnknown(member, path: member.key, known: Self.suggestedSections)
            }
        }
        for key in CoordinatorConfiguration.keys where key.isRequired && lines[key.path] == nil {
            report(nil, key.path, "is missing; expected \(key.allowed)")
        }
        checkTogether()
    }

    private mutating func readSection(_ section: String, _ node: YAMLNode) {
        if node.isNull { return }
        guard case .mapping(let members) = node.content else {
            report(node.line, section, "found \(found(node)), expected keys and values")
            return
        }
        for member in members {
            let path = "\(section).\(member.key)"
            guard let key = Self.keysByPath[path] else {
                let known = CoordinatorConfiguration.keys.map(\.path)
                reportUnknown(member, path: path, known: known, in: section)
                continue
            }
            if let line = lines[key.path] {
                let which = path == key.path ? "" : "means \(key.path), which "
                report(member.line, path, "\(which)is given twice; the first is in line \(line)")
                continue
            }
            lines[key.path] = member.line
            var updated = configuration
            assign(member.value, key, path: path, to: &updated)
            configuration = updated
        }
    }

    private mutating func reportUnknown(
        _ member: YAMLNode.Member, path: String, known: [String], in section: String? = nil
    ) {
        if let section {
            let own = known.filter { $0.hasPrefix(section + ".") }.map { String($0.dropFirst(section.count + 1)) }
            if let nearest = NearestName.of(member.key, among: own) {
                report(member.line, path, "unknown key; did you mean \(nearest)?")
            } else if let elsewhere = known.first(where: { $0.hasSuffix("." + member.key) }) {
                report(member.line, path, "unknown key; did you mean \(elsewhere)?")
            } else {
                report(member.line, path, "unknown key; \(section) has \(own.joined(separator: ", "))")
            }
            return
        }
        let nearest = NearestName.of(member.key, among: known)
        let hint = nearest.map { "did you mean \($0)?" } ?? "expected one of \(known.joined(separator: ", "))"
        report(member.line, path, "unknown key; \(hint)")
    }

    // MARK: Providers

    private mutating func readProviders(_ node: YAMLNode) {
        if node.isNull { return }
        guard case .sequence(let elements) = node.content else {
            report(node.line, "providers", "found \(found(node)), expected a list")
            return
        }
        var linesByID: [String: Int] = [:]
        for (index, element) in elements.enumerated() {
            guard let provider = readProvider(element, path: "providers[\(index)]") else { continue }
            guard !provider.providerID.isEmpty else { continue }
            if let line = linesByID[provider.providerID] {
                report(
                    element.line, "providers[\(index)].provider_id",
                    "found \"\(provider.providerID)\", which is listed in line \(line) already; ids must be unique")
            } else {
                linesByID[provider.providerID] = element.line
                configuration.providers.append(provider)
            }
        }
    }

    private mutating func readProvider(_ node: YAMLNode, path: String) -> CoordinatorConfiguration.Provider? {
        let keys = CoordinatorConfiguration.Provider.keys
        guard case .mapping(let members) = node.content else {
            report(node.line, path, "found \(found(node)), expected \(keys.map(\.path).joined(separator: ", "))")
            return nil
        }
        var provider = CoordinatorConfiguration.Provider()
        var seen: [String: Int] = [:]
        for member in members {
            let memberPath = "\(path).\(member.key)"
            if let line = seen[member.key] {
                report(member.line, memberPath, "is given twice; the first is in line \(line)")
                continue
            }
            seen[member.key] = member.line
            if let key = keys.first(where: { $0.path == member.key }) {
                assign(member.value, key, path: memberPath, to: &provider)
            } else {
                reportUnknown(member, path: memberPath, known: keys.map(\.path))
            }
        }
        for key in keys where key.isRequired && seen[key.path] == nil {
            report(node.line, "\(path).\(key.path)", "is missing; expected \(key.allowed)")
        }
        return provider
    }

    // MARK: Values

    private mutating func assign<Root>(
        _ node: YAMLNode, _ key: ConfigurationKey<Root>, path: String, to root: inout Root
    ) {
        if node.isNull, case .optionalText = key.binding { return }
        guard case .scalar(let raw, let isPlain) = node.content, !node.isNull else {
            return reportValue(node, key, path)
        }
        let text: String
        do throws(VariableExpansion.Failure) {
            text = try VariableExpansion.expand(raw, environment)
        } catch .notSet(let name) {
            return report(node.line, path, "the environment variable \(name) is not set")
        } catch {
            return report(node.line, path, "found ${ that begins no ${NAME}; write $${ for the characters themselves")
        }
        // YAML wants quotes around a variable inside braces, so they do not make a text of it.
        let isExpanded = raw.contains("${")
        if !store(text, isPlain: isPlain || isExpanded, key, to: &root) { reportValue(node, key, path) }
    }

    /// False when `text` is not what the key allows.
    private func store<Root>(
        _ text: String, isPlain: Bool, _ key: ConfigurationKey<Root>, to root: inout Root
    ) -> Bool {
        switch key.binding {
        case .seconds(let path, let range):
            guard isPlain, let number = Self.integer(text), range.contains(number) else { return false }
            root[keyPath: path] = .seconds(number)
        case .count(let path, let range, _):
            guard isPlain, let number = Self.integer(text), range.contains(number) else { return false }
            root[keyPath: path] = number
        case .number(let path, let range):
            guard isPlain, let number = Self.decimal(text), range.contains(number) else { return false }
            root[keyPath: path] = number
        case .flag(let path):
            guard isPlain, text == "true" || text == "false" else { return false }
            root[keyPath: path] = text == "true"
        case .text(let path, let rule):
            guard rule.accepts(text) else { return false }
            root[keyPath: path] = text
        case .optionalText(let path, let rule):
            guard rule.accepts(text) else { return false }
            root[keyPath: path] = text
        case .choice(let names, _, let write):
            guard names.contains(text) else { return false }
            write(&root, text)
        }
        return true
    }

    /// Digits with an optional minus: no spaces, no other bases, no separators.
    private static func integer(_ text: String) -> Int? {
        text.hasPrefix("+") ? nil : Int(text)
    }

    private static func decimal(_ text: String) -> Double? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) || [0x2E, 0x2D, 0x65, 0x45, 0x2B].contains($0) }) else {
            return nil
        }
        return Double(text)
    }

    private mutating func reportValue<Root>(_ node: YAMLNode, _ key: ConfigurationKey<Root>, _ path: String) {
        let what = key.isSecret && !node.isNull ? "something else" : found(node)
        report(node.line, path, "found \(what), expected \(key.allowed)")
    }

    /// As it stands in the file: a `${NAME}` is shown by its name, never by what the environment holds.
    private func found(_ node: YAMLNode) -> String {
        if node.isNull { return "nothing" }
        switch node.content {
        case .scalar(let text, let isPlain):
            let shown = text.utf8.count > 60 ? String(text.prefix(60)) + "…" : text
            let printable = String(
                shown.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
            return isPlain ? printable : "the text \"\(printable)\""
        case .sequence: return "a list"
        case .mapping: return "keys and values"
        }
    }

    // MARK: Rules for several keys

    private mutating func checkTogether() {
        let listen = configuration.listen
        if listen.buyerPort != 0, listen.buyerPort == listen.providerPort {
            reportTogether(
                ["listen.provider_port", "listen.buyer_port"],
                "found \(listen.providerPort) for both ports, expected two different ones")
        }
        checkPair(
            listen.buyerTLSCertificate, "listen.buyer_tls_cert", listen.buyerTLSKey, "listen.buyer_tls_key")
        checkPair(
            listen.providerTLSCertificate, "listen.provider_tls_cert", listen.providerTLSKey, "listen.provider_tls_key")
        let pool = configuration.pool
        let interval = pool.heartbeatInterval.components.seconds
        if pool.heartbeatMissThreshold <= pool.heartbeatInterval {
            reportTogether(
                ["pool.heartbeat_miss_threshold_s", "pool.heartbeat_interval_s"],
                "the threshold is \(pool.heartbeatMissThreshold.components.seconds), expected more than the interval "
                    + "of \(interval), or every provider is cut off between two heartbeats")
        }
        if pool.wakeGapThreshold <= pool.heartbeatInterval {
            reportTogether(
                ["pool.wake_gap_threshold_s", "pool.heartbeat_interval_s"],
                "the threshold is \(pool.wakeGapThreshold.components.seconds), expected more than the interval of "
                    + "\(interval), or every heartbeat looks like a wake-up")
        }
    }

    private mutating func checkPair(
        _ certificate: String?, _ certificatePath: String, _ key: String?, _ keyPath: String
    ) {
        if certificate != nil && key == nil && lines[keyPath] == nil {
            report(lines[certificatePath], certificatePath, "needs \(keyPath) too")
        }
        if key != nil && certificate == nil && lines[certificatePath] == nil {
            report(lines[keyPath], keyPath, "needs \(certificatePath) too")
        }
    }

    /// At the first of `paths` that stands in the file; not at all when a fault was found in one of them already.
    private mutating func reportTogether(_ paths: [String], _ message: String) {
        let isReported = problems.contains { problem in paths.contains { $0 == problem.keyPath } }
        guard !isReported, let path = paths.first(where: { lines[$0] != nil }) else { return }
        report(lines[path], path, message)
    }
}
