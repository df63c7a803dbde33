import Coordinator
import JSON
import Primitives
import Testing

@Suite("What a chat completion request must be")
struct ChatRequestTests {
    static func parse(_ text: String) throws -> ChatRequest {
        let parser = JSONParser()
        return try withByteView(text) { bytes in
            let root = try parser.parse(copying: bytes)
            return try withExtendedLifetime(parser) { try ChatRequest(validating: root) }
        }
    }

    static let message = "{\"role\":\"user\",\"content\":\"hi\"}"

    static func with(_ extra: String) -> String { "{\"model\":\"m\",\"messages\":[\(message)],\(extra)}" }
    static func message(_ text: String) -> String { "{\"model\":\"m\",\"messages\":[\(text)]}" }

    static let accepted = [
        with("\"stream\":true"), with("\"stream\":null"), with("\"max_tokens\":1"), with("\"max_tokens\":null"),
        with("\"temperature\":0"), with("\"temperature\":2.0"), with("\"top_p\":1"), with("\"n\":1"),
        with("\"stop\":\"x\""), with("\"stop\":[\"a\",\"b\",\"c\",\"d\"]"), with("\"frequency_penalty\":-2"),
        with("\"response_format\":{\"type\":\"json_object\"}"), with("\"response_format\":{\"type\":\"json_schema\"}"),
        with("\"anything\":{\"at\":[\"all\"]}"),
        with("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]"),
        message("{\"role\":\"system\",\"content\":\"s\"},\(message)"),
        message(
            "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:\"}}]}"
        ),
        message(
            "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}"
        ),
        message("{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"42\"}"),
    ]

    @Test(arguments: accepted) func isAccepted(_ text: String) throws {
        #expect(try Self.parse(text).model == "m")
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        var body: String
        var parameter: String?
        var code = "invalid_request"
        var testDescription: String { "\(parameter ?? "-"): \(body)" }
    }

    static let refused = [
        Refused(body: "[]", parameter: nil), Refused(body: "{}", parameter: "model"),
        Refused(body: "{\"model\":1,\"messages\":[\(message)]}", parameter: "model"),
        Refused(body: "{\"model\":\"\",\"messages\":[\(message)]}", parameter: "model"),
        Refused(body: "{\"model\":\"m\"}", parameter: "messages"),
        Refused(body: "{\"model\":\"m\",\"messages\":[]}", parameter: "messages"),
        Refused(body: "{\"model\":\"m\",\"messages\":{}}", parameter: "messages"),
        Refused(body: message("1"), parameter: "messages[0]"),
        Refused(body: message("{\"content\":\"x\"}"), parameter: "messages[0].role"),
        Refused(body: message("{\"role\":\"robot\",\"content\":\"x\"}"), parameter: "messages[0].role"),
        Refused(body: message("\(message),{\"role\":\"user\"}"), parameter: "messages[1].content"),
        Refused(body: message("{\"role\":\"user\",\"content\":null}"), parameter: "messages[0].content"),
        Refused(body: message("{\"role\":\"user\",\"content\":[]}"), parameter: "messages[0].content"),
        Refused(body: message("{\"role\":\"assistant\",\"content\":null}"), parameter: "messages[0].content"),
        Refused(body: message("{\"role\":\"tool\",\"content\":\"x\"}"), parameter: "messages[0].tool_call_id"),
        Refused(
            body: message(
                "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}"
            ),
            parameter: "messages[0].tool_calls", code: "invalid_tools"),
        Refused(body: with("\"stream\":1"), parameter: "stream"),
        Refused(body: with("\"max_tokens\":0"), parameter: "max_tokens"),
        Refused(body: with("\"max_tokens\":1.5"), parameter: "max_tokens"),
        Refused(body: with("\"max_completion_tokens\":-1"), parameter: "max_completion_tokens"),
        Refused(body: with("\"temperature\":2.1"), parameter: "temperature"),
        Refused(body: with("\"temperature\":\"hot\""), parameter: "temperature"),
        Refused(body: with("\"top_p\":-0.1"), parameter: "top_p"), Refused(body: with("\"n\":2"), parameter: "n"),
        Refused(body: with("\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]"), parameter: "stop"),
        Refused(body: with("\"stop\":[1]"), parameter: "stop"),
        Refused(body: with("\"presence_penalty\":3"), parameter: "presence_penalty"),
        Refused(body: with("\"response_format\":{\"type\":\"xml\"}"), parameter: "response_format.type"),
        Refused(body: with("\"tools\":{}"), parameter: "tools", code: "invalid_tools"),
        Refused(
            body: with("\"tools\":[{\"function\":{}}]"), parameter: "tools[0].function.name", code: "invalid_tools"),
        Refused(
            body: with("\"tools\":[{\"function\":{\"name\":\"f\",\"parameters\":[]}}]"),
            parameter: "tools[0].function.parameters", code: "invalid_tools"),
    ]

    @Test(arguments: refused) func isRefused(_ refused: Refused) throws {
        let error = try #require(throws: APIError.self) { try Self.parse(refused.body) }
        #expect(error.status == 400)
        #expect(error.code == refused.code)
        #expect(error.parameter == refused.parameter)
    }

    @Test func theEstimateIsAQuarterOfTheMessagesBytes() throws {
        let content = String(repeating: "x", count: 4_000)
        let request = try Self.parse(Self.message("{\"role\":\"user\",\"content\":\"\(content)\"}"))
        #expect((1_000...1_020).contains(request.estimatedTokens))
    }
}
