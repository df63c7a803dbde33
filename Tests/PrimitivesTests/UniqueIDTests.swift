import Primitives
import Testing

@Suite struct UniqueIDTests {
    @Test func writesAndReads() {
        let id = UniqueID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
        #expect(id.text == "01234567-89ab-cdef-fedc-ba9876543210")
        #expect(withByteView("01234567-89AB-cdef-FEDC-ba9876543210") { UniqueID($0) } == id)
        var random = SeededRandom(seed: 3)
        for _ in 0..<1000 {
            let id = UniqueID(high: random.next(), low: random.next())
            #expect(withByteView(id.text) { UniqueID($0) } == id)
        }
    }

    @Test func randomOnesAreVersion4() {
        #expect(UniqueID(randomHigh: .max, randomLow: .max).text == "ffffffff-ffff-4fff-bfff-ffffffffffff")
        #expect(UniqueID(randomHigh: 0, randomLow: 0).text == "00000000-0000-4000-8000-000000000000")
    }

    @Test func timeOrderedOnesAreVersion7() {
        let time = WallTime(nanoseconds: 0x0123_4567_89AB * 1_000_000 + 999_999)
        #expect(
            UniqueID(time: time, randomHigh: .max, randomLow: .max).text == "01234567-89ab-7fff-bfff-ffffffffffff")
        #expect(UniqueID(time: time, randomHigh: 0, randomLow: 0).text == "01234567-89ab-7000-8000-000000000000")
        let later = UniqueID(time: time + .milliseconds(1), randomHigh: 0, randomLow: 0)
        #expect(UniqueID(time: time, randomHigh: .max, randomLow: .max).text < later.text)
        let beforeEpoch = UniqueID(time: WallTime(nanoseconds: -1), randomHigh: 0, randomLow: 0)
        #expect(beforeEpoch.text == "00000000-0000-7000-8000-000000000000")
    }

    @Test func acceptsHexadecimalDigitsOnly() {
        let text = Array("01234567-89ab-cdef-fedc-ba9876543210".utf8)
        for position in text.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = text
                changed[position] = byte
                let isDash = text[position] == 0x2D
                let expected = isDash ? byte == 0x2D : hexadecimalDigit(byte) != nil
                let parsed = withByteView(changed) { UniqueID($0) }
                guard (parsed != nil) == expected else {
                    Issue.record("byte \(byte) at \(position)")
                    return
                }
                if let parsed, !isDash {
                    let lowercased = String(decoding: changed.map { asciiLowercased($0) }, as: UTF8.self)
                    #expect(parsed.text == lowercased)
                }
            }
        }
    }

    @Test(arguments: [0, 1, 35, 37, 72]) func refusesOtherLengths(length: Int) {
        let text = String(String(repeating: "01234567-89ab-cdef-fedc-ba9876543210", count: 2).prefix(length))
        #expect(withByteView(text) { UniqueID($0) } == nil)
    }
}
