import Foundation
import Primitives
import Testing

@Suite struct WallTimeTests {
    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_769_850_900_123_999_999, "2026-01-31T09:15:00.123Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (Int64.max, "2262-04-11T23:47:16.854Z"),
            (Int64.min, "1677-09-21T00:12:43.145Z"),
        ] as [(Int64, String)])
    func isWrittenInUTCWithMilliseconds(nanoseconds: Int64, text: String) {
        #expect(WallTime(nanoseconds: nanoseconds).rfc3339 == text)
    }

    @Test func agreesWithTheSystem() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<2_000 {
            var seconds = Int.random(in: -9_000_000_000...9_000_000_000, using: &random)
            var date = tm()
            gmtime_r(&seconds, &date)
            var characters = [CChar](repeating: 0, count: 32)
            let count = strftime(&characters, characters.count, "%Y-%m-%dT%H:%M:%S.000Z", &date)
            let expected = String(decoding: characters.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            #expect(WallTime(nanoseconds: Int64(seconds) * 1_000_000_000).rfc3339 == expected)
        }
    }
}
