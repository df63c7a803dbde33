import Foundation
import JSON
import Primitives
import Testing

@Suite struct JSONParserTests {
    static func parse<Result>(_ text: String, _ body: (JSONValue) throws -> Result) throws -> Result {
        let parser = JSONParser()
        return try withByteView(text) { try body(parser.parse(copying: $0)) }
    }

    static func refusal(_ bytes: [UInt8]) -> JSONError.Kind? {
        let parser = JSONParser()
        return withByteView(bytes) { view in
            do throws(JSONError) {
                _ = try parser.parse(copying: view)
                return nil
            } catch { return error.kind }
        }
    }

    @Test func findsMembersOfEachKind() throws {
        let text = #"{"o":{"a":1,"b":[1,2]},"a":[],"s":"x","i":-5,"d":1.5,"t":true,"f":false,"n":null}"#
        try Self.parse(text) { root in
            #expect(root.kind == .object && root.count == 8)
            let kinds = root.members.map { "\($0.key.string):\($0.value.kind)" }
            #expect(
                kinds == [
                    "o:object", "a:array", "s:string", "i:integer", "d:double", "t:bool", "f:bool", "n:null",
                ])
            #expect(root["o"]?["b"]?.count == 2 && root["o"]?["a"]?.int == 1)
            #expect(root["s"]?.string?.string == "x" && root["s"]?.int == nil && root["s"]?.double == nil)
            #expect(root["i"]?.int == -5 && root["i"]?.double == -5)
            #expect(root["d"]?.int == nil && root["d"]?.double == 1.5)
            #expect(root["t"]?.bool == true && root["f"]?.bool == false && root["n"]?.bool == nil)
            #expect(root["n"]?.isNull == true && root["n"]?.string == nil && root["n"]?.count == nil)
            #expect(root["absent"] == nil && root["s"]?["x"] == nil && root["a"]?["x"] == nil)
        }
    }

    @Test func walksNestedElementsAndStopsWhenTold() throws {
        try Self.parse("[[1,[2]],{\"a\":{}},3.5,\"x\",18446744073709551615,9]") { root in
            #expect(root.elements.map(\.kind) == [.array, .object, .double, .string, .double, .integer])
            var seen = 0
            root.forEachElement { _ in
                seen += 1
                return seen < 3
            }
            #expect(seen == 3)
            root.forEachMember { _, _ in
                Issue.record("an array has no members")
                return true
            }
        }
    }

    @Test func firstOfEqualNamesCounts() throws {
        try Self.parse(#"{"a":1,"b":0,"a":2}"#) { #expect($0["a"]?.int == 1 && $0.count == 3) }
    }

    @Test(arguments: [
        ("0", 0, 0.0), ("-0", 0, 0.0), ("9223372036854775807", Int.max, 9223372036854775807.0),
        ("-9223372036854775808", Int.min, -9223372036854775808.0), ("9223372036854775808", nil, 9223372036854775808.0),
        ("18446744073709551615", nil, 18446744073709551615.0), ("1.0", nil, 1.0), ("1e3", nil, 1000.0),
        ("-2.5e-3", nil, -0.0025), ("5e-324", nil, Double.leastNonzeroMagnitude), ("1e-400", nil, 0.0),
        ("1.7976931348623157e308", nil, Double.greatestFiniteMagnitude),
    ]) func readsNumber(text: String, int: Int?, double: Double) throws {
        try Self.parse("[\(text)]") { root in
            let value = try #require(root.elements.first { _ in true })
            #expect(value.int == int)
            #expect(value.double == double)
        }
        try Self.parse(text) { #expect($0.int == int && $0.double == double) }
    }

    @Test(arguments: [
        "1e400", "-1e400", "18446744073709551616", "-9223372036854775809", "123456789012345678901234567890", "01", "1.",
        ".5", "+1", "-", "1e", "NaN", "Infinity", "-Infinity", "0x10", "1_000", String(repeating: "9", count: 5000),
    ]) func refusesNumber(text: String) {
        #expect(Self.refusal(Array(text.utf8)) != nil)
        #expect(Self.refusal(Array("{\"a\":\(text)}".utf8)) != nil)
    }

    @Test(arguments: [
        "", " ", "{", "}", "[", "]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "[1,]", "[1 2]", "{a:1}", "{'a':1}", "tru",
        "nul", "\"", "\"a", "{\"a\":1}{", "1 2", "[1]]", "{\"a\":1]", "[1}", "/**/1", "{\"a\" 1}", "{1:1}", "\u{feff}1",
    ]) func refusesMalformed(text: String) {
        #expect(Self.refusal(Array(text.utf8)) != nil)
    }

    @Test(arguments: [
        (#""\u0041\u00e9\u20ac\ud83d\ude00""#, "A\u{e9}\u{20ac}\u{1f600}"),
        (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (#""a\u0000b""#, "a\0b"), ("\"\u{7f}\u{2028}\u{10ffff}\"", "\u{7f}\u{2028}\u{10ffff}"),
        (#""\\ud800""#, #"\ud800"#), (#""\\\\ud800\ud83d\ude00""#, "\\\\ud800\u{1f600}"),
        (#""\uD83D\uDE00\\""#, "\u{1f600}\\"),
    ]) func unescapes(text: String, expected: String) throws {
        try Self.parse(text) { #expect($0.string?.array == Array(expected.utf8)) }
    }

    @Test(arguments: [
        #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\u0041""#, #""\ud800\ud800""#, #""\udc00\ud800""#,
        #""\ud83d\ude00\ude00""#, #""\ud83d\\ude00""#, #"{"\udfff":1}"#, #""\uDBFF\uE000""#, #""\uD800\uDBFF""#,
        #""\u12""#,
        #""\u12g4""#, #""\x41""#, #""\"#, "\"\u{1}\"", "\"a\nb\"", "\"\0\"",
    ]) func refusesText(text: String) {
        #expect(Self.refusal(Array(text.utf8)) != nil)
    }

    @Test func refusesEveryLoneSurrogateUnit() {
        for unit in 0xD800...0xDFFF {
            let digits = String(unit, radix: 16)
            #expect(Self.refusal(Array("[\"\\u\(digits)\"]".utf8)) == .text, "\(digits)")
        }
    }

    @Test(
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF],
            [0xF0, 0x9F, 0x98],
        ] as [[UInt8]]) func refusesInvalidUTF8(bytes: [UInt8])
    {
        #expect(Self.refusal([0x22] + bytes + [0x22]) == .text)
    }

    @Test(arguments: [("[", "]"), ("{\"a\":", "}")]) func boundsDepth(open: String, close: String) {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
        }
        let limit = JSONParser.maximumDepth
        #expect(Self.refusal(nested(limit - 1)) == nil)
        #expect(Self.refusal(nested(limit + 1)) == .depth)
        #expect(Self.refusal(nested(100_000)) == .depth)
        #expect(Self.refusal(Array(String(repeating: open, count: 1_000_000).utf8)) != nil)
    }

    @Test func everyPrefixIsRefusedWhateverFollows() throws {
        let whole = Array(#"{"a":[1,-2.5e3,true,null,"x\u00e9\"y"],"b":{"c":false,"d":"é€😀"},"e":12345}"#.utf8)
        let parser = JSONParser()
        // The rest of the document stands in the padding, as it does when a view ends inside a buffer.
        var queue = ByteQueue()
        queue.append(whole)
        _ = try parser.parse(queue.view)
        for length in 0..<whole.count {
            #expect(throws: JSONError.self) { _ = try parser.parse(queue.view.prefix(length)) }
        }
    }

    @Test func aParserGoesOnAfterAnError() throws {
        let parser = JSONParser()
        for text in ["[1,2]", "[1,", "[1,2]", "\"\\ud800\"", "[1,2]"] {
            let count = withByteView(text) { try? parser.parse(copying: $0) }?.count
            #expect(count == (text == "[1,2]" ? 2 : nil))
        }
    }

    @Test func memoryShrinksAfterAHugeDocument() throws {
        let parser = JSONParser()
        let huge = [UInt8](repeating: UInt8(ascii: " "), count: 3 << 20) + Array("[1]".utf8)
        _ = try withByteView(huge) { try parser.parse(copying: $0) }
        #expect(parser.capacity >= huge.count)
        for _ in 0..<100 { _ = try withByteView("[1]") { try parser.parse(copying: $0) } }
        #expect(parser.capacity <= 64 * 1024)
        _ = try withByteView(huge) { try parser.parse(copying: $0) }
    }

    @Test func refusesADocumentOverTheLimit() {
        let bytes = [UInt8](repeating: UInt8(ascii: " "), count: JSONParser.maximumByteCount + 1)
        #expect(Self.refusal(bytes) == .tooLarge)
    }

    @Test func countsBeyondWhatTheTapeCounts() throws {
        let count = 0xFF_FFFF + 5
        var bytes = [UInt8](repeating: UInt8(ascii: "0"), count: count * 2 + 1)
        for index in stride(from: 0, to: bytes.count, by: 2) { bytes[index] = UInt8(ascii: ",") }
        bytes[0] = UInt8(ascii: "[")
        bytes[bytes.count - 1] = UInt8(ascii: "]")
        let parser = JSONParser()
        #expect(try withByteView(bytes) { try parser.parse(copying: $0) }.count == count)
    }

    @Test func readsWhatFoundationReads() throws {
        var random = SeededRandom(seed: 7)
        let parser = JSONParser()
        for _ in 0..<500 {
            let value = randomValue(depth: 0, &random)
            let data = try JSONSerialization.data(withJSONObject: [value], options: [])
            let parsed = try withByteView(Array(data)) { view in
                let root = try parser.parse(copying: view)
                return foundation(root)
            }
            #expect((parsed as? NSArray) == ([value] as NSArray))
        }
    }

    private func randomValue(depth: Int, _ random: inout SeededRandom) -> Any {
        switch Int.random(in: 0..<(depth > 4 ? 5 : 7), using: &random) {
        case 0: return Int.random(in: Int.min...Int.max, using: &random)
        case 1: return Double.random(in: -1e9...1e9, using: &random)
        case 2: return Bool.random(using: &random)
        case 3: return NSNull()
        case 4: return randomText(&random)
        case 5:
            return (0..<Int.random(in: 0..<5, using: &random)).map { _ in randomValue(depth: depth + 1, &random) }
        default:
            var object: [String: Any] = [:]
            for _ in 0..<Int.random(in: 0..<5, using: &random) {
                object[randomText(&random)] = randomValue(depth: depth + 1, &random)
            }
            return object
        }
    }

    private func foundation(_ value: JSONValue) -> Any {
        switch value.kind {
        case .object:
            return Dictionary(
                value.members.map { ($0.key.string, foundation($0.value)) }, uniquingKeysWith: { first, _ in first })
        case .array: return value.elements.map { foundation($0) }
        case .string: return value.string?.string ?? ""
        case .integer: return value.int ?? 0
        case .double: return value.double ?? 0
        case .bool: return value.bool ?? false
        case .null: return NSNull()
        }
    }
}

func randomText(_ random: inout SeededRandom, maximumLength: Int = 40) -> String {
    var text = ""
    for _ in 0..<Int.random(in: 0...maximumLength, using: &random) {
        let value =
            switch Int.random(in: 0..<5, using: &random) {
            case 0: UInt32.random(in: 0..<0x20, using: &random)
            case 1: ([0x22, 0x5C, 0x2F, 0x7F, 0x2028] as [UInt32]).randomElement(using: &random) ?? 0x22
            case 2: UInt32.random(in: 0x80...0x10FFFF, using: &random)
            default: UInt32.random(in: 0x20..<0x7F, using: &random)
            }
        if let scalar = Unicode.Scalar(value) { text.unicodeScalars.append(scalar) }
    }
    return text
}
