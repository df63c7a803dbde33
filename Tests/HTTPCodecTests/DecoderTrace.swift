import HTTPCodec
import Primitives

/// One whole request, as a test compares it; each byte is one character.
struct WholeRequest: Equatable {
    var method: String
    var target: String
    var body: String
}

/// What a decoder made of some input. Pieces of a body that follow each other count as one, so that two traces of the
/// same bytes are equal however the bytes were cut.
struct DecoderTrace: Equatable {
    var requests: [WholeRequest] = []
    /// Everything that the heads say, in one line each.
    var heads: [String] = []
    var error: HTTPError?
    var progress = RequestDecoder.Progress.betweenRequests
    /// Broken promises of the interface; empty when all is well.
    var violations: [String] = []

    private var current: WholeRequest?

    /// Feeds `bytes` in pieces that end at `cuts` (ascending offsets) and at the end.
    init(_ bytes: [UInt8], cuts: [Int], limits: HTTPLimits = HTTPLimits()) {
        var decoder = RequestDecoder(limits: limits)
        var start = 0
        for end in cuts + [bytes.count] where error == nil {
            feed(bytes[start..<end], &decoder)
            start = end
        }
        progress = decoder.progress
        if decoder.isBetweenRequests, decoder.heldByteCount != 0 { violations.append("memory held between requests") }
        if decoder.isBetweenRequests != (progress == .betweenRequests) { violations.append("idle and not idle") }
        if error != nil {
            var input = ByteView("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            do throws(HTTPError) {
                _ = try decoder.next(&input)
                violations.append("went on after an error")
            } catch {
                if error != self.error { violations.append("changed its mind about the error") }
            }
        } else if (current != nil) != (progress == .inBody) {
            violations.append("progress does not match the events")
        }
    }

    /// Each piece lies alone in memory that is overwritten afterwards: a view kept too long shows in the trace.
    private mutating func feed(_ piece: ArraySlice<UInt8>, _ decoder: inout RequestDecoder) {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: piece.count)
        defer { memory.deallocate() }
        for (offset, byte) in piece.enumerated() { memory[offset] = byte }
        var input = ByteView(base: memory, count: piece.count)
        do throws(HTTPError) {
            while let event = try decoder.next(&input) { record(event) }
            if !input.isEmpty { violations.append("stopped before the end of the input") }
        } catch {
            self.error = error
        }
        for offset in piece.indices { memory[offset - piece.startIndex] = 0xAA }
    }

    private mutating func record(_ event: RequestEvent) {
        switch event {
        case .head(let head):
            if current != nil { violations.append("head before the end") }
            current = WholeRequest(method: head.methodName, target: head.target, body: "")
            heads.append(Self.describe(head))
        case .body(let data):
            if data.isEmpty { violations.append("empty body piece") }
            if current == nil { violations.append("body without a head") }
            current?.body += characters(data)
        case .end:
            if let current { requests.append(current) } else { violations.append("end without a head") }
            current = nil
        }
    }

    private static func describe(_ head: RequestHead) -> String {
        var text =
            "\(head.method) \(head.version) \(head.bodyFraming) \(head.keepsAlive) \(head.expectsContinue)"
            + " \(head.path) \(head.query ?? "-")"
        head.forEachField { text += "\n" + characters($0) + ":" + characters($1) }
        return text
    }
}

/// Each byte as the character of that number.
func characters(_ bytes: ByteView) -> String {
    String(String.UnicodeScalarView(bytes.buffer.map { Unicode.Scalar($0) }))
}

/// Ascending cut points in `0..<count`, repetitions possible: an empty piece must change nothing.
func randomCuts(_ count: Int, _ random: inout SeededRandom) -> [Int] {
    let pieces = Int.random(in: 1...8, using: &random)
    return (0..<pieces).map { _ in Int.random(in: 0...count, using: &random) }.sorted()
}
