import CSimdJSON
public import Primitives

/// Turns bytes into a ``JSONValue``: simdjson, strict about syntax, UTF-8 and surrogates.
///
/// One parser serves one thread and one document at a time; its memory (about 14 bytes per byte of the largest
/// document) is used again and shrinks when large documents stop coming. What RFC 8259 leaves open:
/// - a lone surrogate escape is an error, since it has no UTF-8;
/// - a number that no `Double` holds (`1e400`) and an integer beyond 64 bits are errors;
/// - of members with the same name, the first one counts.
public final class JSONParser {
    /// Most arrays and objects inside one another.
    public static let maximumDepth = 64
    /// Longest document; the network's limits are tighter.
    public static let maximumByteCount = 64 * 1024 * 1024

    private let parser: OpaquePointer?

    public init() {
        parser = csimdjson_parser_create(Self.maximumByteCount, Self.maximumDepth)
    }

    deinit { csimdjson_parser_destroy(parser) }

    /// Document bytes for which memory is held now.
    public var capacity: Int { parser.map { csimdjson_parser_capacity($0) } ?? 0 }

    /// Parses in place: `bytes` must have ``ByteQueue/padding`` readable bytes behind it, of any content. The value is
    /// valid until the next parse and only while the parser lives (so `JSONParser().parse(…)` is wrong); `bytes` may go
    /// at once, for strings are kept unescaped by the parser.
    public func parse(_ bytes: ByteView) throws(JSONError) -> JSONValue {
        guard let parser else { throw JSONError(.outOfMemory) }
        var document = csimdjson_document()
        let outcome = csimdjson_parse(parser, bytes.base, bytes.count, &document)
        guard outcome == csimdjson_parsed, let tape = document.tape, let strings = document.strings else {
            throw JSONError(Self.kind(outcome))
        }
        return JSONValue(tape: tape, strings: strings, index: 1)
    }

    /// The same for bytes without padding, at the cost of a copy.
    public func parse(copying bytes: ByteView) throws(JSONError) -> JSONValue {
        guard bytes.count <= Self.maximumByteCount else { throw JSONError(.tooLarge) }
        var padded = ByteQueue()
        padded.append(bytes)
        return try parse(padded.view)
    }

    private static func kind(_ outcome: csimdjson_outcome) -> JSONError.Kind {
        switch outcome {
        case csimdjson_depth: .depth
        case csimdjson_number: .number
        case csimdjson_text: .text
        case csimdjson_too_large: .tooLarge
        case csimdjson_out_of_memory: .outOfMemory
        default: .syntax
        }
    }
}

@available(*, unavailable) extension JSONParser: Sendable {}
