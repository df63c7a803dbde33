import Foundation
import JSON
import Primitives
import Testing

@Suite struct JSONWriterTests {
    static func escaped(_ bytes: [UInt8]) -> [UInt8] {
        var queue = ByteQueue()
        withByteView(bytes) { appendJSONString($0, to: &queue) }
        return queue.view.array
    }

    /// One byte at a time, from the text of RFC 8259.
    static func model(_ bytes: [UInt8]) -> [UInt8] {
        var result: [UInt8] = [0x22]
        for byte in bytes {
            switch byte {
            case 0x22: result += Array(#"\""#.utf8)
            case 0x5C: result += Array(#"\\"#.utf8)
            case 0x08: result += Array(#"\b"#.utf8)
            case 0x0C: result += Array(#"\f"#.utf8)
            case 0x0A: result += Array(#"\n"#.utf8)
            case 0x0D: result += Array(#"\r"#.utf8)
            case 0x09: result += Array(#"\t"#.utf8)
            case 0..<0x20: result += Array(("\\u00" + (byte < 16 ? "0" : "") + String(byte, radix: 16)).utf8)
            default: result.append(byte)
            }
        }
        return result + [0x22]
    }

    @Test func escapesEachByteAtEachPosition() {
        for position in 0..<40 {
            for byte in UInt8.min...UInt8.max {
                var bytes = [UInt8](repeating: 0x61, count: 40)
                bytes[position] = byte
                guard Self.escaped(bytes) == Self.model(bytes) else {
                    Issue.record("byte \(byte) at \(position)")
                    return
                }
            }
        }
    }

    @Test(arguments: 0..<40) func escapesRunsOfSpecialBytes(length: Int) {
        for byte: UInt8 in [0x00, 0x1F, 0x22, 0x5C, 0x0A] {
            let bytes = [UInt8](repeating: byte, count: length)
            #expect(Self.escaped(bytes) == Self.model(bytes))
        }
    }

    @Test(arguments: [0, 1, 7, 8, 9, 255, 256, 257, 511, 512, 513, 4096, 70_000]) func escapesTextsOfLength(length: Int)
    {
        var random = SeededRandom(seed: UInt64(length))
        for share in [0.0, 0.02, 0.2, 1.0] {
            let bytes = (0..<length).map { _ -> UInt8 in
                random.chance(share) ? [0x22, 0x5C, 0x0A, 0x01].randomElement(using: &random) ?? 0 : 0x78
            }
            #expect(Self.escaped(bytes) == Self.model(bytes))
        }
    }

    @Test func escapesRandomBytes() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<2000 {
            let length = Int.random(in: 0...80, using: &random)
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(Self.escaped(bytes) == Self.model(bytes))
        }
    }

    @Test func foundationAndOurselvesReadItBack() throws {
        var random = SeededRandom(seed: 13)
        let parser = JSONParser()
        for _ in 0..<1000 {
            let text = randomText(&random, maximumLength: 100)
            let written = Self.escaped(Array(text.utf8))
            let read = try JSONSerialization.jsonObject(with: Data(written), options: [.fragmentsAllowed]) as? String
            #expect(read.map { Array($0.utf8) } == Array(text.utf8))
            let own = try withByteView(written) { try parser.parse(copying: $0).string?.array }
            #expect(own == Array(text.utf8))
        }
    }

    @Test func leavesWhatTheQueueHeld() {
        var queue = ByteQueue()
        queue.append("abc")
        queue.appendJSON { $0.string("x") }
        queue.append("def")
        #expect(queue.view == "abc\"x\"def")
    }

    @Test func setsCommas() {
        var queue = ByteQueue()
        queue.appendJSON { writer in
            writer.beginObject()
            writer.member("a", 1)
            writer.key("b")
            writer.beginArray()
            writer.int(-1)
            writer.beginArray()
            writer.endArray()
            writer.beginObject()
            writer.endObject()
            writer.double(0.5)
            writer.raw(ByteView("{\"raw\":[]}"))
            writer.bool(true)
            writer.null()
            writer.endArray()
            writer.key(text: "c\"")
            writer.string("d\n")
            writer.member("e", literal: "f")
            writer.memberNull("g")
            writer.member("h", UniqueID(high: 1, low: 2))
            writer.endObject()
        }
        let expected =
            #"{"a":1,"b":[-1,[],{},0.5,{"raw":[]},true,null],"c\"":"d\n","e":"f","g":null,"#
            + #""h":"00000000-0000-0001-0000-000000000002"}"#
        #expect(queue.view.string == expected)
    }

    @Test func restoresTheQueueWhenTheBodyThrows() {
        var queue = ByteQueue()
        queue.append("abc")
        #expect(throws: JSONError(.syntax)) {
            try queue.appendJSON { (writer) throws(JSONError) in
                writer.bool(false)
                throw JSONError(.syntax)
            }
        }
        #expect(queue.view == "abcfalse")
    }

    @Test(arguments: [
        0.0, -0.0, 1.0, 0.1, 19.8, 1e21, 1e-7, Double.leastNonzeroMagnitude, Double.greatestFiniteMagnitude, -2.5, 1e16,
        123456789.125,
    ])
    func doublesReadBack(number: Double) throws {
        var queue = ByteQueue()
        queue.appendJSON { $0.double(number) }
        let parser = JSONParser()
        #expect(try parser.parse(queue.view).double == number)
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity]) func whatIsNoNumberIsNull(number: Double) {
        var queue = ByteQueue()
        queue.appendJSON { $0.double(number) }
        #expect(queue.view == "null")
    }

    @Test(arguments: [0, 1, -1, Int.max, Int.min]) func integersReadBack(number: Int) throws {
        var queue = ByteQueue()
        queue.appendJSON { $0.int(number) }
        let parser = JSONParser()
        #expect(try parser.parse(queue.view).int == number)
    }

    @Test func byteCountsAreThoseOfTheWriter() throws {
        var random = SeededRandom(seed: 17)
        for _ in 0..<1000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            #expect(withByteView(bytes) { jsonStringByteCount($0) } == Self.model(bytes).count)
        }
    }
}
