import JSON
import Primitives

/// Writes the demo engine's answers in the form of the OpenAI API: `chat.completion.chunk` events, or one
/// `chat.completion`.
struct DemoReplyWriter {
    let id: UniqueID
    /// Seconds since 1970.
    let created: Int
    let promptTokenCount: Int

    /// The first event: the role, before any word.
    func role(into queue: inout ByteQueue) {
        chunk(into: &queue) { json in
            json.member("role", literal: "assistant")
            json.member("content", "")
        }
    }

    func content(_ text: [UInt8], into queue: inout ByteQueue) {
        chunk(into: &queue) { json in withByteView(text) { json.member("content", $0) } }
    }

    func finish(_ reason: DemoAnswer.FinishReason, into queue: inout ByteQueue) {
        chunk(finishReason: reason.text, into: &queue) { _ in }
    }

    /// The event that `stream_options.include_usage` asks for: no choices, the counts.
    func usage(completionTokenCount: Int, into queue: inout ByteQueue) {
        event(into: &queue) { json in
            begin(&json, object: "chat.completion.chunk")
            json.key("choices")
            json.beginArray()
            json.endArray()
            usage(completionTokenCount, &json)
            json.endObject()
        }
    }

    func done(into queue: inout ByteQueue) { queue.append("data: [DONE]\n\n") }

    func completion(
        _ text: [UInt8], _ reason: DemoAnswer.FinishReason, completionTokenCount: Int, into queue: inout ByteQueue
    ) {
        queue.appendJSON { json in
            begin(&json, object: "chat.completion")
            json.key("choices")
            json.beginArray()
            json.beginObject()
            json.member("index", 0)
            json.key("message")
            json.beginObject()
            json.member("role", literal: "assistant")
            withByteView(text) { json.member("content", $0) }
            json.endObject()
            json.memberNull("logprobs")
            json.member("finish_reason", literal: reason.text)
            json.endObject()
            json.endArray()
            usage(completionTokenCount, &json)
            json.endObject()
        }
    }

    private func begin(_ json: inout JSONWriter, object: StaticString) {
        json.beginObject()
        json.key("id")
        json.raw { queue in
            queue.append("\"chatcmpl-")
            id.append(to: &queue)
            queue.append("\"")
        }
        json.member("object", literal: object)
        json.member("created", created)
        json.member("model", literal: DemoEngine.modelID)
        json.member("system_fingerprint", literal: "demo-word-trigrams")
    }

    private func usage(_ completionTokenCount: Int, _ json: inout JSONWriter) {
        json.key("usage")
        json.beginObject()
        json.member("prompt_tokens", promptTokenCount)
        json.member("completion_tokens", completionTokenCount)
        json.member("total_tokens", promptTokenCount + completionTokenCount)
        json.endObject()
    }

    private func chunk(
        finishReason: StaticString? = nil, into queue: inout ByteQueue, _ delta: (inout JSONWriter) -> Void
    ) {
        event(into: &queue) { json in
            begin(&json, object: "chat.completion.chunk")
            json.key("choices")
            json.beginArray()
            json.beginObject()
            json.member("index", 0)
            json.key("delta")
            json.beginObject()
            delta(&json)
            json.endObject()
            json.memberNull("logprobs")
            if let finishReason {
                json.member("finish_reason", literal: finishReason)
            } else {
                json.memberNull("finish_reason")
            }
            json.endObject()
            json.endArray()
            json.endObject()
        }
    }

    private func event(into queue: inout ByteQueue, _ body: (inout JSONWriter) -> Void) {
        queue.append("data: ")
        queue.appendJSON(body)
        queue.append("\n\n")
    }
}
