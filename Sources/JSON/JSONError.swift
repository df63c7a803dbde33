/// Why bytes were refused as JSON (RFC 8259).
public struct JSONError: Error, Equatable, Sendable {
    public enum Kind: Sendable, Equatable {
        case syntax, depth, number, text, tooLarge, outOfMemory
    }

    public var kind: Kind

    public init(_ kind: Kind) { self.kind = kind }

    public var message: StaticString {
        switch kind {
        case .syntax: "not well-formed JSON"
        case .depth: "nested too deeply"
        case .number: "a number is malformed or out of range"
        case .text: "a string has a bad escape, an unescaped control character or invalid UTF-8"
        case .tooLarge: "the document is too large"
        case .outOfMemory: "no memory for the document"
        }
    }
}
