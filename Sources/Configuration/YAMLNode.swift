/// A value of a YAML document, with the line where it begins.
struct YAMLNode: Sendable {
    enum Content: Sendable {
        /// Plain: neither quoted nor a block, so that it may be a number.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([Member])
    }

    struct Member: Sendable {
        var key: String
        var line: Int
        var value: YAMLNode
    }

    var line: Int
    var content: Content
    /// Levels from here down, this one included: what an alias adds to the depth of where it stands.
    var height = 1

    /// Nothing stands there, or a word for it.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}
