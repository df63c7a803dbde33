import JSON
import Primitives

// One entry for libFuzzer, built as Fuzz/run says. What is written is read back as the same, and text that was read is
// written in a form that does not change any more.

// libFuzzer calls from one thread only.
nonisolated(unsafe) private let parser = JSONParser()

private func written(_ value: JSONValue) -> [UInt8] {
    var queue = ByteQueue()
    queue.appendJSON { $0.value(value) }
    return queue.view.array
}

/// Looks at everything a value offers.
private func walk(_ value: JSONValue, depth: Int) {
    precondition(depth <= JSONParser.maximumDepth, "deeper than the limit")
    _ = value["model"]
    _ = (value.int, value.bool, value.isNull, value.kind)
    if let number = value.double { precondition(number.isFinite, "a number is not finite") }
    if let text = value.string { precondition(String(validating: text.buffer, as: UTF8.self) != nil, "not UTF-8") }
    var count = 0
    for (key, member) in value.members {
        precondition(String(validating: key.buffer, as: UTF8.self) != nil, "a key is not UTF-8")
        count += 1
        walk(member, depth: depth + 1)
    }
    for element in value.elements {
        count += 1
        walk(element, depth: depth + 1)
    }
    precondition(value.count ?? 0 == count, "miscounted")
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzJSON(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    let input = ByteView(base: start, count: count)

    if String(validating: input.buffer, as: UTF8.self) != nil {
        var quoted = ByteQueue()
        appendJSONString(input, to: &quoted)
        let string = (try? parser.parse(quoted.view))?.string
        precondition(string == input, "an escaped string reads back as another")
    }

    guard let value = try? parser.parse(copying: input) else { return 0 }
    walk(value, depth: 0)
    let once = written(value)
    let twice: [UInt8]? = withByteView(once) { once in (try? parser.parse(copying: once)).map(written) }
    precondition(once == twice, "what was written reads back as something else")
    return 0
}
