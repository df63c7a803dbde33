package import Primitives

/// Header fields on their way out, kept as the bytes that will be sent.
///
/// Names are literals of this program. Values may come from anywhere: a byte that could end the field or confuse a
/// reader (CR, LF, NUL, any other control byte but a tab) becomes a space, so nobody can add a field or a response.
/// Content-Length, Transfer-Encoding, Connection and Date belong to ``ResponseEncoder``.
package struct ResponseFields: Sendable, Equatable {
    /// The fields as they stand on the wire, each line with its end.
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package var isEmpty: Bool { bytes.isEmpty }

    package mutating func append(_ name: StaticString, _ value: ByteView) {
        begin(name, valueByteCount: value.count)
        let start = bytes.count
        bytes.append(contentsOf: value.buffer)
        for index in start..<bytes.count {
            let byte = bytes[index]
            if byte < 0x20 && byte != 0x09 || byte == 0x7F { bytes[index] = 0x20 }
        }
        end()
    }

    package mutating func append(_ name: StaticString, _ value: String) {
        withByteView(value) { append(name, $0) }
    }

    package mutating func append(_ name: StaticString, _ value: StaticString) { append(name, ByteView(value)) }

    package mutating func append(_ name: StaticString, _ value: Int) { append(name, String(value)) }

    private mutating func begin(_ name: StaticString, valueByteCount: Int) {
        assert(name.utf8CodeUnitCount > 0 && ByteClass.token.containsAll(of: ByteView(name)))
        bytes.reserveCapacity(bytes.count + name.utf8CodeUnitCount + valueByteCount + 4)
        bytes.append(contentsOf: ByteView(name).buffer)
        bytes.append(0x3A)
        bytes.append(0x20)
    }

    private mutating func end() {
        bytes.append(0x0D)
        bytes.append(0x0A)
    }
}

extension ResponseFields: ExpressibleByDictionaryLiteral {
    /// `["Content-Type": "application/json", "Allow": "GET"]`; order and repetitions are kept.
    package init(dictionaryLiteral elements: (StaticString, String)...) {
        for (name, value) in elements { append(name, value) }
    }
}
