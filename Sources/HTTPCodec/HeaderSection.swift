import Primitives

/// A piece of a head, counted from its first byte. Half the size of a `Range<Int>`, because each field has two.
struct HeadRange: Sendable {
    private let start: UInt32
    let count: UInt32

    /// A head has at most 16 MiB (``HTTPLimits``), so 32 bits lose nothing.
    @inline(__always) init(_ range: Range<Int>) {
        start = UInt32(truncatingIfNeeded: range.lowerBound)
        count = UInt32(truncatingIfNeeded: range.count)
    }

    @inline(__always) var range: Range<Int> { Int(start)..<Int(start) &+ Int(count) }
}

/// Where one header field stands in the bytes of its head.
struct FieldSpan: Sendable {
    var name: HeadRange
    var value: HeadRange
}

/// The bytes of a head and the places of its fields: two allocations, whatever the number of fields.
struct HeaderSection: Sendable {
    var bytes: [UInt8]
    var spans: [FieldSpan]

    @inline(__always) func withView<Result>(_ body: (ByteView) throws -> Result) rethrows -> Result {
        try bytes.withUnsafeBytes { try body(ByteView($0)) }
    }

    /// The first field of that name at or after `start`.
    func firstIndex(of name: StaticString, from start: Int = 0) -> Int? {
        let wanted = ByteView(name)
        return withView { view in
            for index in start..<max(start, spans.count) where Int(spans[index].name.count) == wanted.count {
                if view[spans[index].name.range].equalsIgnoringCase(wanted) { return index }
            }
            return nil
        }
    }

    func field(_ name: StaticString) -> String? { withField(name) { $0.string } }

    func withField<Result>(_ name: StaticString, _ body: (ByteView) throws -> Result) rethrows -> Result? {
        guard let index = firstIndex(of: name) else { return nil }
        return try withView { try body($0[spans[index].value.range]) }
    }

    func fieldContainsToken(_ name: StaticString, _ token: StaticString) -> Bool {
        let wanted = ByteView(token)
        var next = firstIndex(of: name)
        while let index = next {
            var found = false
            withView { view in
                view[spans[index].value.range].forEachListElement {
                    found = $0.equalsIgnoringCase(wanted)
                    return !found
                }
            }
            if found { return true }
            next = firstIndex(of: name, from: index + 1)
        }
        return false
    }

    func fieldCount(_ name: StaticString) -> Int {
        var count = 0
        var next = firstIndex(of: name)
        while let index = next {
            count += 1
            next = firstIndex(of: name, from: index + 1)
        }
        return count
    }

    func forEachField(_ body: (_ name: ByteView, _ value: ByteView) -> Void) {
        withView { view in
            for index in spans.indices { body(view[spans[index].name.range], view[spans[index].value.range]) }
        }
    }
}
