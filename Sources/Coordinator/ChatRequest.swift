package import JSON
import Primitives

/// What the coordinator needs to know of a chat completion request; the body itself travels on byte for byte.
package struct ChatRequest: Equatable, Sendable {
    package var model: String
    package var stream: Bool
    /// Bytes of the serialised `messages` ÷ 4, the estimate that routing and preflight use.
    package var estimatedTokens: Int
}

extension ChatRequest {
    /// Checks a request body as docs/protocol.md, section 7 step 1 lists it; the first fault wins. Unknown fields pass.
    package init(validating root: JSONValue) throws(APIError) {
        guard root.isObject else { throw .invalidRequest("The body must be a JSON object.") }
        model = try Self.model(of: root)
        stream = try Self.optionalBool("stream", of: root) ?? false
        try Self.checkMessages(of: root)
        try Self.checkSampling(of: root)
        try Self.checkResponseFormat(of: root)
        try Self.checkTools(of: root)
        estimatedTokens = (root["messages"].map(Self.serializedByteCount) ?? 0) / 4
    }

    private static func model(of root: JSONValue) throws(APIError) -> String {
        guard let value = root["model"] else { throw missing("model") }
        guard let model = value.string, !model.isEmpty else { throw wrong("model", "a string that is not empty") }
        guard model.count <= 256 else { throw wrong("model", "at most 256 bytes long") }
        return model.string
    }

    // MARK: Messages

    private static func checkMessages(of root: JSONValue) throws(APIError) {
        guard let value = root["messages"] else { throw missing("messages") }
        guard value.isArray, value.count != 0 else { throw wrong("messages", "an array that is not empty") }
        var index = 0
        for message in value.elements {
            try checkMessage(message, at: "messages[\(index)]")
            index += 1
        }
    }

    private static func checkMessage(_ message: JSONValue, at path: String) throws(APIError) {
        guard message.isObject else { throw wrong(path, "an object") }
        guard let role = message["role"] else { throw missing("\(path).role") }
        let content = message["content"]
        switch role.string {
        case let name? where name == "system" || name == "user" || name == "developer":
            try checkContent(content, at: path)
        case let name? where name == "assistant":
            if let calls = message["tool_calls"], !calls.isNull {
                try checkToolCalls(calls, at: "\(path).tool_calls")
                if let content, !content.isNull { try checkContent(content, at: path) }
            } else {
                try checkContent(content, at: path)
            }
        case let name? where name == "tool":
            guard let id = message["tool_call_id"] else { throw missing("\(path).tool_call_id") }
            guard id.string != nil else { throw wrong("\(path).tool_call_id", "a string") }
            try checkContent(content, at: path)
        default:
            throw wrong("\(path).role", "one of system, user, assistant, tool")
        }
    }

    private static func checkContent(_ content: JSONValue?, at path: String) throws(APIError) {
        guard let content else { throw missing("\(path).content") }
        if content.string != nil { return }
        guard content.isArray, content.count != 0 else {
            throw wrong("\(path).content", "a string or an array of content parts that is not empty")
        }
        for part in content.elements {
            guard part.isObject, part["type"]?.string != nil else {
                throw wrong("\(path).content", "made of parts that are objects with a type")
            }
        }
    }

    private static func checkToolCalls(_ calls: JSONValue, at path: String) throws(APIError) {
        guard calls.isArray, calls.count != 0 else { throw invalidTools(path, "must be an array that is not empty") }
        for call in calls.elements {
            guard let function = call["function"], function["name"]?.string != nil else {
                throw invalidTools(path, "must name a function in each call")
            }
            guard let arguments = function["arguments"]?.string else {
                throw invalidTools(path, "must have arguments, a string, in each call")
            }
            guard isJSON(arguments) else { throw invalidTools(path, "must have arguments that parse as JSON") }
        }
    }

    /// The outer document lives in the shared parser, so this one text is read with a parser of its own.
    private static func isJSON(_ text: ByteView) -> Bool {
        (try? JSONParser().parse(copying: text)) != nil
    }

    // MARK: Parameters

    private static func checkSampling(of root: JSONValue) throws(APIError) {
        for name in ["max_tokens", "max_completion_tokens"] as [StaticString] {
            if let value = present(name, of: root) {
                guard let number = value.int, number > 0 else {
                    throw wrong(name.description, "a whole number above 0")
                }
            }
        }
        try checkRange("temperature", 0...2, of: root)
        try checkRange("top_p", 0...1, of: root)
        try checkRange("frequency_penalty", -2...2, of: root)
        try checkRange("presence_penalty", -2...2, of: root)
        if let value = present("n", of: root) {
            guard value.int == 1 else { throw wrong("n", "1: one choice per request is served") }
        }
        if let value = present("stop", of: root), value.string == nil {
            guard let count = value.count, value.isArray, count <= 4 else {
                throw wrong("stop", "a string or an array of at most 4 strings")
            }
            for element in value.elements where element.string == nil {
                throw wrong("stop", "a string or an array of at most 4 strings")
            }
        }
    }

    private static func checkRange(
        _ name: StaticString, _ range: ClosedRange<Double>, of root: JSONValue
    ) throws(APIError) {
        guard let value = present(name, of: root) else { return }
        guard let number = value.double, range.contains(number) else {
            throw wrong(name.description, "a number from \(range.lowerBound) to \(range.upperBound)")
        }
    }

    private static func checkResponseFormat(of root: JSONValue) throws(APIError) {
        guard let format = present("response_format", of: root) else { return }
        guard let type = format["type"]?.string else { throw wrong("response_format.type", "a string") }
        guard type == "text" || type == "json_object" || type == "json_schema" else {
            throw wrong("response_format.type", "one of text, json_object, json_schema")
        }
    }

    private static func checkTools(of root: JSONValue) throws(APIError) {
        guard let tools = present("tools", of: root) else { return }
        guard tools.isArray else { throw invalidTools("tools", "must be an array") }
        var index = 0
        for tool in tools.elements {
            let path = "tools[\(index)].function"
            guard let name = tool["function"]?["name"]?.string, !name.isEmpty else {
                throw invalidTools("\(path).name", "must be a string that is not empty")
            }
            if let parameters = tool["function"]?["parameters"], !parameters.isNull, !parameters.isObject {
                throw invalidTools("\(path).parameters", "must be an object")
            }
            index += 1
        }
    }

    private static func optionalBool(_ name: StaticString, of root: JSONValue) throws(APIError) -> Bool? {
        guard let value = present(name, of: root) else { return nil }
        guard let flag = value.bool else { throw wrong(name.description, "true or false") }
        return flag
    }

    /// The member, unless it is missing or null: OpenAI's clients send null for "not set".
    private static func present(_ name: StaticString, of root: JSONValue) -> JSONValue? {
        guard let value = root[name], !value.isNull else { return nil }
        return value
    }

    private static func missing(_ path: String) -> APIError {
        .invalidRequest("The field '\(path)' is required.", parameter: path)
    }

    private static func wrong(_ path: String, _ rule: String) -> APIError {
        .invalidRequest("The field '\(path)' must be \(rule).", parameter: path)
    }

    private static func invalidTools(_ path: String, _ rule: String) -> APIError {
        .invalidRequest("The field '\(path)' \(rule).", parameter: path, code: "invalid_tools")
    }

    // MARK: Estimate

    /// Bytes of `value` written without spaces, where an escaped character counts as one byte. Exact escapes would cost
    /// another pass over the prompt, a tenth of all that a long request costs, for an estimate that is a rule of thumb.
    private static func serializedByteCount(_ value: JSONValue) -> Int {
        switch value.kind {
        case .string: return (value.string?.count ?? 0) + 2
        case .array: return value.elements.reduce(2) { $0 + serializedByteCount($1) + 1 }
        case .object: return value.members.reduce(2) { $0 + $1.key.count + 4 + serializedByteCount($1.value) }
        case .integer, .double, .bool, .null: return 4
        }
    }
}
