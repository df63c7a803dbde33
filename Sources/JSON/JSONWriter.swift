public import Primitives

/// Writes JSON to the end of a ``ByteQueue`` and sets the commas. That objects and arrays are closed, and that a member
/// has a key and one value, is the caller's affair.
public struct JSONWriter: ~Copyable {
    private var queue: ByteQueue
    private var needsComma = false

    /// See ``Primitives/ByteQueue/appendJSON(_:)`` for writing to a queue that one does not own.
    public init(_ queue: consuming ByteQueue = ByteQueue()) { self.queue = queue }

    /// The queue, with the text behind what it held before.
    public consuming func finish() -> ByteQueue { queue }

    @inline(__always) private mutating func separate() {
        if needsComma { queue.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    @inline(__always) public mutating func beginObject() {
        separate()
        queue.append(UInt8(ascii: "{"))
        needsComma = false
    }

    @inline(__always) public mutating func endObject() {
        queue.append(UInt8(ascii: "}"))
        needsComma = true
    }

    @inline(__always) public mutating func beginArray() {
        separate()
        queue.append(UInt8(ascii: "["))
        needsComma = false
    }

    @inline(__always) public mutating func endArray() {
        queue.append(UInt8(ascii: "]"))
        needsComma = true
    }

    /// A name out of the source code: it must need no escape.
    @inline(__always) public mutating func key(_ name: StaticString) {
        separate()
        queue.append(UInt8(ascii: "\""))
        queue.append(name)
        queue.append("\":")
        needsComma = false
    }

    /// A name that came from elsewhere.
    public mutating func key(_ name: ByteView) {
        separate()
        appendJSONString(name, to: &queue)
        queue.append(UInt8(ascii: ":"))
        needsComma = false
    }

    public mutating func key(text name: String) { withByteView(name) { key($0) } }

    /// See ``appendJSONString(_:to:)``.
    public mutating func string(_ bytes: ByteView) {
        separate()
        appendJSONString(bytes, to: &queue)
    }

    public mutating func string(_ text: String) { withByteView(text) { string($0) } }

    /// A text out of the source code: it must need no escape.
    @inline(__always) public mutating func literal(_ text: StaticString) {
        separate()
        queue.append(UInt8(ascii: "\""))
        queue.append(text)
        queue.append(UInt8(ascii: "\""))
    }

    public mutating func string(_ id: UniqueID) {
        separate()
        queue.append(UInt8(ascii: "\""))
        id.append(to: &queue)
        queue.append(UInt8(ascii: "\""))
    }

    public mutating func int(_ number: Int) {
        separate()
        queue.append(decimal: number)
    }

    /// The shortest text that reads back as the same number; null for what JSON cannot say (infinite, not a number).
    public mutating func double(_ number: Double) {
        separate()
        if number.isFinite { queue.append(number.description) } else { queue.append("null") }
    }

    public mutating func bool(_ value: Bool) {
        separate()
        queue.append(value ? "true" : "false")
    }

    public mutating func null() {
        separate()
        queue.append("null")
    }

    /// Text that is one JSON value already.
    public mutating func raw(_ value: ByteView) {
        separate()
        queue.append(value)
    }

    /// One value that `body` appends itself.
    @inline(__always) public mutating func raw(_ body: (inout ByteQueue) -> Void) {
        separate()
        body(&queue)
    }
}

extension JSONWriter {
    public mutating func member(_ name: StaticString, _ text: ByteView) {
        key(name)
        string(text)
    }

    public mutating func member(_ name: StaticString, _ text: String) {
        key(name)
        string(text)
    }

    public mutating func member(_ name: StaticString, literal text: StaticString) {
        key(name)
        literal(text)
    }

    public mutating func member(_ name: StaticString, _ id: UniqueID) {
        key(name)
        string(id)
    }

    public mutating func member(_ name: StaticString, _ number: Int) {
        key(name)
        int(number)
    }

    public mutating func member(_ name: StaticString, _ number: Double) {
        key(name)
        double(number)
    }

    public mutating func member(_ name: StaticString, _ value: Bool) {
        key(name)
        bool(value)
    }

    public mutating func memberNull(_ name: StaticString) {
        key(name)
        null()
    }
}

extension ByteQueue {
    /// Appends the JSON that `body` writes.
    @inline(__always) public mutating func appendJSON<Failure: Error>(
        _ body: (inout JSONWriter) throws(Failure) -> Void
    ) throws(Failure) {
        var writer = JSONWriter(self)
        do {
            try body(&writer)
        } catch {
            self = writer.finish()
            throw error
        }
        self = writer.finish()
    }
}

extension JSONWriter {
    /// A parsed value written again in its shortest form; members keep their order.
    public mutating func value(_ value: JSONValue) {
        switch value.kind {
        case .object:
            beginObject()
            for (key, member) in value.members {
                self.key(key)
                self.value(member)
            }
            endObject()
        case .array:
            beginArray()
            for element in value.elements { self.value(element) }
            endArray()
        case .string: string(value.string ?? .empty)
        case .integer: int(value.int ?? 0)
        case .double: double(value.double ?? 0)
        case .bool: bool(value.bool ?? false)
        case .null: null()
        }
    }
}
