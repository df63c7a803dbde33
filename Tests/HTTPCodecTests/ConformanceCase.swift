import Foundation
import Testing

/// One line of `Resources/http-cases.json`, whose head explains the format. The file is plain JSON so that a script can
/// send the same bytes to a listener.
struct ConformanceCase: Decodable, CustomTestStringConvertible, Sendable {
    struct Expectation: Decodable, Sendable {
        struct Request: Decodable, Sendable {
            var method: String
            var target: String?
            var body: String
        }
        var requests: [Request]
        var status: Int?
        var incomplete: Bool?
    }

    var name: String
    var bytes: [UInt8]
    var expect: Expectation
    var testDescription: String { name }

    private enum CodingKeys: String, CodingKey { case name, input, expect }

    private struct Repetition: Decodable {
        var `repeat`: String
        var count: Int
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        expect = try container.decode(Expectation.self, forKey: .expect)
        bytes = []
        if let text = try? container.decode(String.self, forKey: .input) {
            try append(text)
            return
        }
        var pieces = try container.nestedUnkeyedContainer(forKey: .input)
        while !pieces.isAtEnd {
            if let text = try? pieces.decode(String.self) {
                try append(text)
            } else {
                let repetition = try pieces.decode(Repetition.self)
                for _ in 0..<repetition.count { try append(repetition.repeat) }
            }
        }
    }

    private mutating func append(_ text: String) throws {
        for scalar in text.unicodeScalars { bytes.append(try #require(UInt8(exactly: scalar.value))) }
    }

    private struct File: Decodable {
        var cases: [ConformanceCase]
    }

    static let all: [ConformanceCase] = {
        let url = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Resources/http-cases.json")
        do {
            return try JSONDecoder().decode(File.self, from: Data(contentsOf: url)).cases
        } catch {
            Issue.record(error, "http-cases.json cannot be read")
            return []
        }
    }()
}
