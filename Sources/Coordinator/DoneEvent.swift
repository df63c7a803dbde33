import Primitives

extension ByteView {
    /// The last event in these bytes is the `[DONE]` that ends an OpenAI stream.
    @inline(__always)
    var endsWithDoneEvent: Bool {
        // The blank line before the end is not worth a search: only the text right before the trailing line ends counts.
        var end = count
        while end > 0, self[end - 1] == 0x0A || self[end - 1] == 0x0D { end -= 1 }
        return end >= 6 && self[end - 6..<end] == "[DONE]" && self[0..<end].hasDoneLine
    }

    private var hasDoneLine: Bool {
        let line: StaticString = "data: [DONE]"
        let length = line.utf8CodeUnitCount
        if count >= length, dropFirst(count - length) == line { return true }
        let compact: StaticString = "data:[DONE]"
        return count >= 11 && dropFirst(count - 11) == compact
    }
}
