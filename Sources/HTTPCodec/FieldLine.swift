import Primitives

/// One line of a header or trailer section (RFC 9112 section 5); ranges count from the start of the line.
struct FieldLine {
    var name: Range<Int>
    var value: Range<Int>

    /// `line` has no CRLF and no control byte but tabs: the scan for its end saw to that.
    @inline(__always) init(_ line: ByteView) throws(HTTPError) {
        var colon = 0
        while colon < line.count, ByteClass.token.contains(line.base[colon]) { colon &+= 1 }
        guard colon > 0, colon < line.count, line.base[colon] == 0x3A else { throw Self.fault(line, at: colon) }
        var start = colon &+ 1
        var end = line.count
        while start < end, Self.isWhitespace(line.base[start]) { start &+= 1 }
        while end > start, Self.isWhitespace(line.base[end &- 1]) { end &-= 1 }
        name = 0..<colon
        value = start..<end
    }

    @inline(__always) private static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    @inline(never) private static func fault(_ line: ByteView, at index: Int) -> HTTPError {
        if index == line.count { return .badRequest("field without a colon") }
        if isWhitespace(line[index]) {
            return .badRequest(index == 0 ? "folded field" : "white space in a field name")
        }
        return .badRequest(line[index] == 0x3A ? "empty field name" : "invalid byte in a field name")
    }
}
