public import Primitives

public enum JSONKind: Sendable, Equatable {
    case object, array, string, integer, double, bool, null
}

/// A place in a parsed document: cheap to copy, borrowed from the parser, valid until its next parse.
///
/// It points into simdjson's tape (simdjson's doc/tape.md): one word per value, whose upper byte is the value's type;
/// a number has its bits in the word behind, a container the index of the word behind its end.
public struct JSONValue {
    private let tape: UnsafePointer<UInt64>
    private let strings: UnsafePointer<UInt8>
    private let index: Int

    @inline(__always) init(tape: UnsafePointer<UInt64>, strings: UnsafePointer<UInt8>, index: Int) {
        self.tape = tape
        self.strings = strings
        self.index = index
    }

    private enum Tag {
        static let object = UInt8(ascii: "{")
        static let array = UInt8(ascii: "[")
        static let string = UInt8(ascii: "\"")
        static let signed = UInt8(ascii: "l")
        static let unsigned = UInt8(ascii: "u")
        static let double = UInt8(ascii: "d")
        static let yes = UInt8(ascii: "t")
        static let no = UInt8(ascii: "f")
        static let null = UInt8(ascii: "n")
    }

    @inline(__always) private var word: UInt64 { tape[index] }
    @inline(__always) private var tag: UInt8 { UInt8(truncatingIfNeeded: word >> 56) }
    @inline(__always) private var numberBits: UInt64 { tape[index + 1] }

    /// Of a container: the index behind its end, and how many members or elements it has (the tape counts to 2^24-1).
    @inline(__always) private var endIndex: Int { Int(truncatingIfNeeded: word & 0xFFFF_FFFF) }

    @inline(__always) private var nextIndex: Int {
        switch tag {
        case Tag.object, Tag.array: endIndex
        case Tag.signed, Tag.unsigned, Tag.double: index + 2
        default: index + 1
        }
    }

    @inline(__always) private func at(_ index: Int) -> JSONValue {
        JSONValue(tape: tape, strings: strings, index: index)
    }

    @inline(__always) private var text: ByteView {
        let start = strings + Int(truncatingIfNeeded: word & 0x00FF_FFFF_FFFF_FFFF)
        let length = UnsafeRawPointer(start).loadUnaligned(as: UInt32.self)
        return ByteView(base: start + 4, count: Int(length))
    }

    public var kind: JSONKind {
        switch tag {
        case Tag.object: .object
        case Tag.array: .array
        case Tag.string: .string
        case Tag.signed: .integer
        case Tag.unsigned, Tag.double: .double
        case Tag.yes, Tag.no: .bool
        default: .null
        }
    }

    /// The unescaped bytes of a string: valid UTF-8, in which U+0000 may occur.
    @inline(__always) public var string: ByteView? { tag == Tag.string ? text : nil }

    /// A number written as an integer that fits. nil for `1.0` and for what is beyond `Int.max`.
    @inline(__always) public var int: Int? {
        tag == Tag.signed ? Int(truncatingIfNeeded: Int64(bitPattern: numberBits)) : nil
    }

    /// Any number; always finite. Integers beyond 2^53 are rounded.
    public var double: Double? {
        switch tag {
        case Tag.double: Double(bitPattern: numberBits)
        case Tag.signed: Double(Int64(bitPattern: numberBits))
        case Tag.unsigned: Double(numberBits)
        default: nil
        }
    }

    public var bool: Bool? {
        switch tag {
        case Tag.yes: true
        case Tag.no: false
        default: nil
        }
    }

    @inline(__always) public var isNull: Bool { tag == Tag.null }
    @inline(__always) public var isObject: Bool { tag == Tag.object }
    @inline(__always) public var isArray: Bool { tag == Tag.array }

    /// Elements of an array or members of an object, nil for anything else. O(1), O(n) beyond 16 million.
    public var count: Int? {
        guard isObject || isArray else { return nil }
        let counted = Int(truncatingIfNeeded: word >> 32 & 0xFF_FFFF)
        if counted < 0xFF_FFFF { return counted }
        var total = 0
        for _ in members { total += 1 }
        for _ in elements { total += 1 }
        return total
    }

    /// The first member of that name; nil if there is none or this is no object. O(members).
    public subscript(_ key: StaticString) -> JSONValue? {
        let wanted = ByteView(key)
        for member in members where member.key == wanted { return member.value }
        return nil
    }

    /// The members in the order of the document; empty if this is no object.
    @inline(__always) public var members: Members {
        Members(value: self, position: index + 1, end: isObject ? endIndex - 1 : index + 1)
    }

    /// The elements of an array; empty if this is none.
    @inline(__always) public var elements: Elements {
        Elements(value: self, position: index + 1, end: isArray ? endIndex - 1 : index + 1)
    }

    /// Calls `body` with each member until it answers false. Does nothing if this is no object.
    @inline(__always) public func forEachMember<Failure: Error>(
        _ body: (ByteView, JSONValue) throws(Failure) -> Bool
    ) throws(Failure) {
        for (key, value) in members { guard try body(key, value) else { return } }
    }

    /// Calls `body` with each element until it answers false. Does nothing if this is no array.
    @inline(__always) public func forEachElement<Failure: Error>(
        _ body: (JSONValue) throws(Failure) -> Bool
    ) throws(Failure) {
        for value in elements { guard try body(value) else { return } }
    }

    public struct Members: Sequence, IteratorProtocol {
        fileprivate let value: JSONValue
        fileprivate var position: Int
        fileprivate let end: Int

        @inline(__always) public mutating func next() -> (key: ByteView, value: JSONValue)? {
            guard position < end else { return nil }
            let key = value.at(position).text
            let member = value.at(position + 1)
            position = member.nextIndex
            return (key, member)
        }
    }

    public struct Elements: Sequence, IteratorProtocol {
        fileprivate let value: JSONValue
        fileprivate var position: Int
        fileprivate let end: Int

        @inline(__always) public mutating func next() -> JSONValue? {
            guard position < end else { return nil }
            let element = value.at(position)
            position = element.nextIndex
            return element
        }
    }
}

@available(*, unavailable) extension JSONValue: Sendable {}
