import JSON
import Primitives
import ProviderProtocol

/// Finds the token counts in an answer that otherwise passes unread.
///
/// Of a stream only the event that has a `"usage":{…}` is parsed; the others cost one scan for a rare letter.
struct UsageScanner {
    private let parser = JSONParser()

    /// Of one event, `data: {…}` and its blank line.
    func usage(inEvent event: ByteView) -> Usage? {
        guard event.hasPrefix("data:"), Self.mentionsUsage(event) else { return nil }
        let data = event.dropFirst(5)
        return usage(inBody: data.prefix(data.firstIndex(of: 0x0A) ?? data.count))
    }

    func usage(inBody body: ByteView) -> Usage? {
        guard let json = try? parser.parse(copying: body), let usage = json["usage"], usage.isObject else { return nil }
        func count(_ name: StaticString) -> Int? { usage[name]?.int.flatMap { $0 >= 0 ? $0 : nil } }
        return Usage(
            promptTokens: count("prompt_tokens"), completionTokens: count("completion_tokens"),
            totalTokens: count("total_tokens"))
    }

    /// Whether `"usage"` stands there with an object behind it. Inside a JSON string its quotes would be escaped.
    private static func mentionsUsage(_ event: ByteView) -> Bool {
        var start = 5
        while let hit = event.firstIndex(of: UInt8(ascii: "g"), from: start) {
            start = hit + 1
            guard hit >= 4, hit + 3 < event.count, event[(hit - 4)..<(hit + 3)] == #""usage""# else { continue }
            if hit >= 5, event[hit - 5] == UInt8(ascii: "\\") { continue }
            var next = hit + 3
            while next < event.count, event[next] == 0x20 || event[next] == UInt8(ascii: ":") { next += 1 }
            if next < event.count, event[next] == UInt8(ascii: "{") { return true }
        }
        return false
    }
}
