import CYAML

/// Why a text is no YAML that is taken here.
struct YAMLError: Error, Equatable {
    var line: Int?
    var message: String
}

/// Builds the tree of one YAML document out of libyaml's events.
///
/// Depth and number of nodes are bounded, and depth counts through aliases. An alias shares its node instead of copying
/// it, and whoever reads the tree follows a fixed schema, so aliases of aliases multiply nothing.
struct YAMLReader: ~Copyable {
    static let maximumDepth = 16
    static let maximumNodeCount = 1_000_000

    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var anchors: [String: YAMLNode] = [:]
    private var nodeCount = 0

    /// The root of the only document in `text`, or nil when there is none.
    static func read(_ text: [UInt8]) throws(YAMLError) -> YAMLNode? {
        // libyaml reads the bytes during the whole parse, so they are lent to all of it.
        let result = text.withUnsafeBufferPointer { bytes -> Result<YAMLNode?, YAMLError> in
            do throws(YAMLError) {
                var reader = try YAMLReader(bytes)
                return .success(try reader.document())
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>) throws(YAMLError) {
        parser = .allocate(capacity: 1)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            throw YAMLError(line: nil, message: "not enough memory to read it")
        }
        yaml_parser_set_input_string(parser, bytes.baseAddress, bytes.count)
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    private enum Event {
        case documentStart
        case scalar(String, isPlain: Bool, anchor: String?)
        case sequenceStart(anchor: String?)
        case mappingStart(anchor: String?)
        case alias(String)
        case collectionEnd
        case streamEnd
    }

    private mutating func document() throws(YAMLError) -> YAMLNode? {
        guard case .documentStart = try next().event else { return nil }
        let first = try next()
        let root = try node(first.event, line: first.line, depth: 1)
        let (after, line) = try next()
        guard case .streamEnd = after else {
            throw YAMLError(line: line, message: "a second document begins here; one is all there may be")
        }
        return root
    }

    private mutating func node(_ event: Event, line: Int, depth: Int) throws(YAMLError) -> YAMLNode {
        nodeCount += 1
        guard nodeCount <= Self.maximumNodeCount else {
            throw YAMLError(line: line, message: "more than \(Self.maximumNodeCount) values")
        }
        guard depth <= Self.maximumDepth else {
            throw YAMLError(line: line, message: "nested deeper than \(Self.maximumDepth) levels")
        }
        switch event {
        case .scalar(let text, let isPlain, let anchor):
            return remember(YAMLNode(line: line, content: .scalar(text, isPlain: isPlain)), as: anchor)
        case .sequenceStart(let anchor):
            var elements: [YAMLNode] = []
            while true {
                let (event, line) = try next()
                if case .collectionEnd = event { break }
                elements.append(try node(event, line: line, depth: depth + 1))
            }
            let height = 1 + (elements.map(\.height).max() ?? 0)
            return remember(YAMLNode(line: line, content: .sequence(elements), height: height), as: anchor)
        case .mappingStart(let anchor):
            let members = try members(depth: depth)
            let height = 1 + (members.map(\.value.height).max() ?? 0)
            return remember(YAMLNode(line: line, content: .mapping(members), height: height), as: anchor)
        case .alias(let name):
            guard var node = anchors[name] else {
                throw YAMLError(line: line, message: "*\(name) refers to nothing above")
            }
            guard depth + node.height - 1 <= Self.maximumDepth else {
                throw YAMLError(line: line, message: "nested deeper than \(Self.maximumDepth) levels")
            }
            node.line = line
            return node
        case .documentStart, .collectionEnd, .streamEnd:
            throw YAMLError(line: line, message: "a value is missing")
        }
    }

    private mutating func members(depth: Int) throws(YAMLError) -> [YAMLNode.Member] {
        var members: [YAMLNode.Member] = []
        while true {
            let (event, line) = try next()
            if case .collectionEnd = event { return members }
            guard case .scalar(let key, _, let anchor) = event else {
                throw YAMLError(line: line, message: "a key must be a word")
            }
            _ = remember(YAMLNode(line: line, content: .scalar(key, isPlain: false)), as: anchor)
            let (valueEvent, valueLine) = try next()
            let value = try node(valueEvent, line: valueLine, depth: depth + 1)
            members.append(YAMLNode.Member(key: key, line: line, value: value))
        }
    }

    private mutating func remember(_ node: YAMLNode, as anchor: String?) -> YAMLNode {
        if let anchor { anchors[anchor] = node }
        return node
    }

    /// The next event that matters, with its line. Whatever libyaml allocated for it is freed before this returns.
    private mutating func next() throws(YAMLError) -> (event: Event, line: Int) {
        while true {
            var raw = yaml_event_t()
            guard yaml_parser_parse(parser, &raw) == 1 else { throw parserError() }
            defer { yaml_event_delete(&raw) }
            let line = Int(raw.start_mark.line) + 1
            switch raw.type {
            case YAML_DOCUMENT_START_EVENT: return (.documentStart, line)
            case YAML_STREAM_END_EVENT: return (.streamEnd, line)
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return (.collectionEnd, line)
            case YAML_ALIAS_EVENT: return (.alias(text(raw.data.alias.anchor) ?? ""), line)
            case YAML_SEQUENCE_START_EVENT:
                try refuseTag(raw.data.sequence_start.tag, line)
                return (.sequenceStart(anchor: text(raw.data.sequence_start.anchor)), line)
            case YAML_MAPPING_START_EVENT:
                try refuseTag(raw.data.mapping_start.tag, line)
                return (.mappingStart(anchor: text(raw.data.mapping_start.anchor)), line)
            case YAML_SCALAR_EVENT:
                let scalar = raw.data.scalar
                try refuseTag(scalar.tag, line)
                let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
                let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
                let value = String(decoding: bytes, as: UTF8.self)
                return (.scalar(value, isPlain: isPlain, anchor: text(scalar.anchor)), line)
            default: continue
            }
        }
    }

    /// Types come from the key, not from the file.
    private func refuseTag(_ tag: UnsafeMutablePointer<yaml_char_t>?, _ line: Int) throws(YAMLError) {
        guard let tag = text(tag) else { return }
        throw YAMLError(line: line, message: "the tag \(tag) is not understood here; leave it out")
    }

    private func text(_ bytes: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        bytes.map { String(cString: $0) }
    }

    private func parserError() -> YAMLError {
        let state = parser.pointee
        let problem = state.problem.map { String(cString: $0) } ?? "unreadable"
        switch state.error {
        case YAML_MEMORY_ERROR: return YAMLError(line: nil, message: "not enough memory to read it")
        case YAML_READER_ERROR:
            return YAMLError(line: nil, message: "no text in UTF-8: \(problem) at byte \(state.problem_offset)")
        default:
            let context = state.context.map { " " + String(cString: $0) } ?? ""
            return YAMLError(line: Int(state.problem_mark.line) + 1, message: "no valid YAML: \(problem)\(context)")
        }
    }
}
