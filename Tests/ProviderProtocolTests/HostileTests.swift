import JSON
import Primitives
import ProviderProtocol
import Testing

@Suite struct HostileTests {
    private static let samples = Samples.providerMessages + Samples.coordinatorMessages

    /// Reads as everything that it could be taken for; true if anything took it.
    private func parse(_ text: ByteView, _ parser: JSONParser) -> Bool {
        let first = (try? FirstMessage.parse(text, with: parser)) != nil
        let provider = (try? ProviderMessage.parse(text, with: parser)) != nil
        let coordinator = (try? CoordinatorMessage.parse(text, with: parser)) != nil
        return first || provider || coordinator
    }

    @Test(arguments: samples) func everyPrefixIsRefused(sample: String) {
        let parser = JSONParser()
        // The rest stands in the padding, as it does inside a connection's buffer.
        withPadded(sample) { whole in
            for length in 0..<whole.count { #expect(!parse(whole.prefix(length), parser)) }
        }
    }

    @Test func mutationsNeverTrap() {
        let parser = JSONParser()
        var random = SeededRandom(seed: 2024)
        let originals = Self.samples.map { Array($0.utf8) }
        let pieces = [
            "\"", "\\", "{", "}", "[", "]", ":", ",", "null", "-1", "1e999", "\\ud800", "\u{0}", "1025",
            "99999999999999999999",
            "\"enc\":{}", "\"type\":\"hello\",",
        ].map { Array($0.utf8) }
        var accepted = 0
        for _ in 0..<20_000 {
            guard var bytes = originals.randomElement(using: &random) else { return }
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[position] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes[position] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: position)
                case 3: bytes.removeSubrange(position..<min(bytes.count, position + 4))
                default:
                    let other = originals.randomElement(using: &random) ?? []
                    bytes.insert(contentsOf: other.prefix(Int.random(in: 0...40, using: &random)), at: position)
                }
                if bytes.isEmpty { bytes = [0x7B] }
            }
            var queue = ByteQueue()
            queue.append(bytes)
            if parse(queue.view, parser) { accepted += 1 }
        }
        // Some mutations hit a text and leave the message whole: shows that the others were refused for cause.
        #expect(accepted > 1000 && accepted < 19_000)
    }

    @Test func depthBombsAreRefused() {
        let parser = JSONParser()
        let bombs = ["[", "{\"type\":", "{\"type\":\"hello\",\"attestation\":["].map {
            $0 + String(repeating: "[", count: 200_000)
        }
        for bomb in bombs { withPadded(bomb) { #expect(!parse($0, parser)) } }
        let closed = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
        withPadded(Samples.hello.replacing("\"attestation\":null", with: "\"attestation\":" + closed)) {
            #expect(!parse($0, parser))
        }
    }

    @Test func manyMembersAreWalkedOnce() throws {
        let parser = JSONParser()
        let members = (0..<100_000).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        try withPadded(String(Samples.chunk.dropLast()) + "," + members + "}") { view in
            guard case .chunk(let chunk) = try ProviderMessage.parse(view, with: parser) else {
                throw Failure(what: "no chunk")
            }
            #expect(chunk.seq == 5)
        }
    }

    @Test func randomBytesAreRefused() {
        let parser = JSONParser()
        var random = SeededRandom(seed: 99)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0...200, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            var queue = ByteQueue()
            queue.append(bytes)
            if !queue.isEmpty { #expect(!parse(queue.view, parser)) }
        }
    }
}
