import JSON
import Primitives
import ProviderProtocol

// One entry for libFuzzer, built as Fuzz/run says: whatever text a peer sends, reading it ends in a message or an error,
// and what was read can be written again as JSON that parses.

// libFuzzer calls from one thread only.
nonisolated(unsafe) private let parser = JSONParser()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzMessages(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    var text = ByteQueue()
    text.append(ByteView(base: start, count: count))
    _ = try? FirstMessage.parse(text.view, with: parser)
    _ = try? ProviderMessage.parse(text.view, with: parser)
    _ = try? CoordinatorMessage.parse(text.view, with: parser)
    if let value = try? parser.parse(text.view) {
        var written = ByteQueue()
        written.appendJSON { $0.value(value) }
        precondition((try? parser.parse(copying: written.view)) != nil, "what was written does not parse")
    }
    return 0
}
