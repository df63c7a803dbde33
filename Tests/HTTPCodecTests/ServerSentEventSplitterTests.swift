import HTTPCodec
import Primitives
import Testing

@Suite struct ServerSentEventSplitterTests {
    private struct Outcome: Equatable {
        var events: [String] = []
        var rest: String?
        var isTooLarge = false
    }

    private func split(_ bytes: [UInt8], cuts: [Int] = [], limit: Int = 1000) -> Outcome {
        var splitter = ServerSentEventSplitter(limit: limit)
        var outcome = Outcome()
        var start = 0
        for end in cuts + [bytes.count] where !outcome.isTooLarge {
            withByteView(Array(bytes[start..<end])) { view in
                var input = view
                do throws(ServerSentEventTooLarge) {
                    while let event = try splitter.next(&input) { outcome.events.append(characters(event)) }
                    if !input.isEmpty { Issue.record("stopped before the end of the input") }
                } catch {
                    outcome.isTooLarge = true
                    if splitter.finish() != nil { Issue.record("something was kept after an error") }
                    var more = ByteView("\n\n")
                    if (try? splitter.next(&more)) != nil { Issue.record("went on after an error") }
                }
            }
            start = end
        }
        if !outcome.isTooLarge { outcome.rest = splitter.finish().map(characters) }
        return outcome
    }

    @Test(
        arguments: [
            ("", [], nil), ("data: a\n\n", ["data: a\n\n"], nil), ("data: a\r\n\r\n", ["data: a\r\n\r\n"], nil),
            ("data: a\r\r", ["data: a\r\r"], nil), ("data: a\n\ndata: b\n\n", ["data: a\n\n", "data: b\n\n"], nil),
            ("data: a\r\n\r\ndata: b\r\n\r\n", ["data: a\r\n\r\n", "data: b\r\n\r\n"], nil),
            ("data: a\r\rdata: b\r\r", ["data: a\r\r", "data: b\r\r"], nil),
            ("event: x\ndata: a\ndata: b\n\n", ["event: x\ndata: a\ndata: b\n\n"], nil),
            (": ping\n\ndata: [DONE]\n\n", [": ping\n\n", "data: [DONE]\n\n"], nil),
            ("\n\n\r\ndata: a\n\n\n\r\n\n", ["data: a\n\n"], nil), ("data: a\n\r\n", ["data: a\n\r\n"], nil),
            ("data: a\r\n\n", ["data: a\r\n\n"], nil), ("data: a\n\rdata: b\n\n", ["data: a\n\r", "data: b\n\n"], nil),
            ("data: a\r\r\ndata: b\n\n", ["data: a\r\r", "data: b\n\n"], nil),
            ("data: a\rdata: b\n\n", ["data: a\rdata: b\n\n"], nil),
            ("data: a", [], "data: a"), ("data: a\n", [], "data: a\n"), ("data: a\n\r", [], "data: a\n\r"),
            ("data: a\n\ndata: b\r\n", ["data: a\n\n"], "data: b\r\n"),
            ("data: \t\u{0}\u{7F}é\n\n", ["data: \t\u{0}\u{7F}é\n\n"], nil),
        ] as [(String, [String], String?)])
    func events(text: String, events: [String], rest: String?) {
        let bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
        let whole = split(bytes)
        #expect(whole == Outcome(events: events, rest: rest))
        #expect(split(bytes, cuts: Array(0..<bytes.count)) == whole)
        for cut in 0..<bytes.count { #expect(split(bytes, cuts: [cut]) == whole, "cut \(cut)") }
    }

    @Test func randomStreamsDoNotDependOnTheCuts() {
        var random = SeededRandom(seed: 7)
        let alphabet: [UInt8] = [0x0A, 0x0A, 0x0D, 0x61, 0x09, 0xE9]
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            let limit = Int.random(in: 3...40, using: &random)
            let whole = split(bytes, limit: limit)
            let cuts = randomCuts(bytes.count, &random)
            guard split(bytes, cuts: cuts, limit: limit) == whole else {
                Issue.record("\(bytes) cut at \(cuts), limit \(limit)")
                return
            }
        }
    }

    @Test func theLimitCountsTheTerminator() {
        let bytes = Array("data: abc\n\n".utf8)
        #expect(split(bytes, limit: 11).events.count == 1)
        #expect(split(bytes, limit: 10).isTooLarge)
        #expect(split(bytes, cuts: Array(0..<11), limit: 10).isTooLarge)
        #expect(split([UInt8](repeating: 0x61, count: 2000)).isTooLarge)
    }

    @Test func aWholeEventIsNeitherCopiedNorKept() throws {
        var splitter = ServerSentEventSplitter()
        try withByteView(Array("data: a\n\n".utf8)) { whole throws in
            var input = whole
            let event = try #require(try splitter.next(&input))
            #expect(event.base == whole.base && event.count == 9)
        }
        let held = splitter.heldByteCount
        #expect(held == 0)
    }
}
