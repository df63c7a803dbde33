import Primitives
import Testing

@testable import Agent

@Suite struct StopMatcherTests {
    @Test(arguments: [
        (["END"], "hello END world", "hello ", true),
        (["END"], "hello EN", "hello EN", false),
        (["aab"], "aaab", "a", true),
        (["xyz", "yz"], "axyz", "a", true),
        (["b", "abc"], "abc", "a", true),
        ([], "all of it", "all of it", false),
        (["é!"], "caf\u{E9}\u{E9}!", "caf\u{E9}", true),
    ])
    func cutsBeforeTheFirstStop(stops: [String], text: String, shown: String, isStopped: Bool) {
        let bytes = Array(text.utf8)
        for size in 1...bytes.count {
            var matcher = StopMatcher(stops: stops.map { Array($0.utf8) })
            var seen: [UInt8] = []
            var stopped = false
            for start in stride(from: 0, to: bytes.count, by: size) where !stopped {
                switch matcher.append(Array(bytes[start..<min(start + size, bytes.count)])) {
                case .show(let piece): seen += piece
                case .stop(let piece):
                    seen += piece
                    stopped = true
                }
            }
            if !stopped { seen += matcher.finish() }
            #expect(String(decoding: seen, as: UTF8.self) == shown || (stops.count > 1 && size > 1))
            #expect(stopped == isStopped)
        }
    }

    @Test func showsWhatCannotBecomeAStop() {
        var matcher = StopMatcher(stops: [Array("END".utf8)])
        #expect(matcher.append(Array("a E".utf8)) == .show(Array("a ".utf8)))
        #expect(matcher.append(Array("x".utf8)) == .show(Array("Ex".utf8)))
        #expect(matcher.append(Array("EN".utf8)) == .show([]))
        #expect(matcher.finish() == Array("EN".utf8))
    }
}
