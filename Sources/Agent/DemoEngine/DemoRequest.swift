import JSON
import Primitives

/// What the demo engine takes from a chat completion request.
struct DemoRequest {
    /// Prompt and answer together.
    static let contextTokenCount = 4096
    static let stopByteCount = 256
    /// Tokens that stand for a message's role and its ends.
    static let tokensPerMessage = 3
    /// Words of the last user message that steer the answer.
    static let questionWordCount = 256

    private(set) var promptTokenCount = 0
    /// The most tokens that the answer may have; cut to what the context leaves.
    private(set) var maxTokenCount = 0
    private(set) var temperature = 0.8
    /// Nil: every answer is different.
    private(set) var seed: UInt64?
    private(set) var stops: [[UInt8]] = []
    private(set) var includesUsage = false
    private(set) var question: [String] = []

    /// A refusal as an inference server would word it.
    struct Refusal: Error, Equatable {
        var status: Int
        var code: StaticString
        var message: String

        static func == (left: Refusal, right: Refusal) -> Bool {
            left.status == right.status && left.code.description == right.code.description
                && left.message == right.message
        }

        var body: ByteQueue {
            var queue = ByteQueue()
            queue.appendJSON { json in
                json.beginObject()
                json.key("error")
                json.beginObject()
                json.member("message", message)
                json.member("type", literal: "invalid_request_error")
                json.memberNull("param")
                json.member("code", literal: code)
                json.endObject()
                json.endObject()
            }
            return queue
        }
    }

    private static func invalid(_ message: String) -> Refusal {
        Refusal(status: 400, code: "invalid_request", message: message)
    }

    init(body: ByteView, parser: JSONParser) throws(Refusal) {
        let json: JSONValue
        do { json = try parser.parse(copying: body) } catch {
            throw Refusal(status: 400, code: "invalid_json", message: "the body is not JSON")
        }
        guard let model = json["model"]?.string else { throw Self.invalid("model: a string is required") }
        guard model.equalsIgnoringCase(ByteView(DemoEngine.modelID)) else {
            throw Refusal(
                status: 404, code: "model_not_found", message: "there is no model but \(DemoEngine.modelID)")
        }
        try readMessages(json["messages"])
        guard promptTokenCount < Self.contextTokenCount else {
            throw Refusal(
                status: 400, code: "context_length_exceeded",
                message: "the context length is \(Self.contextTokenCount) tokens, the prompt has \(promptTokenCount)")
        }

        if let value = Self.present(json["temperature"]) {
            guard let number = value.double, (0...2).contains(number) else {
                throw Self.invalid("temperature: a number from 0 to 2 is required")
            }
            temperature = number
        }
        if let value = Self.present(json["seed"]) {
            guard let number = value.int else { throw Self.invalid("seed: an integer is required") }
            seed = UInt64(bitPattern: Int64(number))
        }
        maxTokenCount = Self.contextTokenCount - promptTokenCount
        if let value = Self.present(json["max_completion_tokens"]) ?? Self.present(json["max_tokens"]) {
            guard let number = value.int, number > 0 else {
                throw Self.invalid("max_tokens: an integer above 0 is required")
            }
            maxTokenCount = min(maxTokenCount, number)
        }
        stops = try Self.stops(json["stop"])
        includesUsage = json["stream_options"]?["include_usage"]?.bool ?? false
    }

    private static func present(_ value: JSONValue?) -> JSONValue? {
        if let value, !value.isNull { value } else { nil }
    }

    private mutating func readMessages(_ messages: JSONValue?) throws(Refusal) {
        guard let messages, messages.isArray, let count = messages.count, count > 0 else {
            throw Self.invalid("messages: a non-empty array is required")
        }
        for message in messages.elements {
            guard let role = message["role"]?.string else { throw Self.invalid("messages: each needs a role") }
            promptTokenCount += Self.tokensPerMessage
            if role == "user" { question.removeAll(keepingCapacity: true) }
            guard let content = message["content"] else { continue }
            if let text = content.string {
                read(text, isQuestion: role == "user")
            } else {
                for part in content.elements {
                    if let text = part["text"]?.string { read(text, isQuestion: role == "user") }
                }
            }
        }
    }

    private mutating func read(_ text: ByteView, isQuestion: Bool) {
        DemoTokenizer.forEachToken(text) { word in
            promptTokenCount += 1
            if isQuestion, question.count < Self.questionWordCount, word.count <= 32 { question.append(word.string) }
        }
    }

    private static func stops(_ value: JSONValue?) throws(Refusal) -> [[UInt8]] {
        guard let value = present(value) else { return [] }
        var stops: [[UInt8]] = []
        if let text = value.string { stops.append(text.array) }
        if let count = value.count, value.isArray {
            guard count <= 4 else { throw invalid("stop: at most 4 sequences") }
            for element in value.elements {
                guard let text = element.string else { throw invalid("stop: strings are required") }
                stops.append(text.array)
            }
        } else if value.string == nil {
            throw invalid("stop: a string or an array of strings is required")
        }
        guard stops.allSatisfy({ $0.count <= stopByteCount }) else {
            throw invalid("stop: a sequence has at most \(stopByteCount) bytes")
        }
        return stops
    }
}
