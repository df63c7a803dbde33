import Agent
import JSON
import Primitives
import Transport

/// What is asked.
struct Question: Sendable {
    /// Nil for the first one that the endpoint lists.
    var model: String?
    var system: String?
    var prompt: String
    var maxTokens: Int?

    /// The body of `POST /v1/chat/completions`.
    func body(model: String) -> ByteQueue {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("model", model)
        writer.member("stream", true)
        if let maxTokens { writer.member("max_tokens", maxTokens) }
        writer.key("messages")
        writer.beginArray()
        for (role, content) in [("system", system), ("user", prompt)] {
            guard let content else { continue }
            writer.beginObject()
            writer.member("role", role)
            writer.member("content", content)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.finish()
    }
}

/// One question to an OpenAI-compatible endpoint, whose answer is shown as it comes. Lives on a shard's loop.
final class StreamedQuestion: EngineReply {
    enum Outcome: Sendable, Equatable {
        case answered(model: String)
        /// Everything went well, except that there is nobody to ask.
        case noModel
        case failed(EngineFailure)
        /// The answer had begun when this came instead of the rest.
        case brokenOff(message: String)
    }

    private enum State {
        case choosing
        case listening(model: String)
        /// The stream said that it is over: by `[DONE]`, or by an error event.
        case concluded(Outcome)
    }

    private let question: Question
    private let engine: HTTPEngine
    private let show: @Sendable (ByteView) -> Void
    private let completion: (Outcome) -> Void
    private let parser = JSONParser()
    private var state = State.choosing

    private init(
        _ question: Question, engine: HTTPEngine, show: @escaping @Sendable (ByteView) -> Void,
        completion: @escaping (Outcome) -> Void
    ) {
        self.question = question
        self.engine = engine
        self.show = show
        self.completion = completion
    }

    /// Asks, and gives each piece of the answer's text to `show`, on the shard's loop. One question per shard at a time.
    static func ask(
        _ question: Question, at settings: HTTPEngineSettings, on shard: Shard,
        show: @escaping @Sendable (ByteView) -> Void
    ) async -> Outcome {
        await withCheckedContinuation { continuation in
            let isPosted = shard.post { environment in
                guard
                    let engine = HTTPEngine(settings: settings, environment: environment, loop: environment.loop)
                else {
                    return continuation.resume(
                        returning: .failed(EngineFailure(.unreachable, "\(settings.baseURL) is no HTTP URL")))
                }
                environment.atShutdown { engine.shutDown() }
                let asked = StreamedQuestion(question, engine: engine, show: show) {
                    continuation.resume(returning: $0)
                }
                environment.keep(asked)
                asked.begin()
            }
            if !isPosted { continuation.resume(returning: .brokenOff(message: "the event loop has stopped")) }
        }
    }

    private func begin() {
        if let model = question.model { return send(model) }
        engine.listModels { [self] result in
            switch result {
            case .success(let models):
                guard let first = models.first else { return completion(.noModel) }
                send(first)
            case .failure(let failure):
                completion(.failed(failure))
            }
        }
    }

    private func send(_ model: String) {
        state = .listening(model: model)
        let body = question.body(model: model)
        _ = engine.start(EngineRequest(body: body.view, isStreaming: true), reply: self)
    }

    func engineProduced(_ data: ByteView) {
        var rest = data
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.count
            line(rest.prefix(end))
            rest = rest.dropFirst(end + 1)
        }
    }

    /// One line of an event; other fields than `data` and comments mean nothing here.
    private func line(_ line: ByteView) {
        guard case .listening(let model) = state, line.hasPrefix("data:") else { return }
        var payload = line.dropFirst(5)
        while let first = payload.isEmpty ? nil : payload[0], first == UInt8(ascii: " ") {
            payload = payload.dropFirst(1)
        }
        if payload.hasPrefix("[DONE]") {
            state = .concluded(.answered(model: model))
            return
        }
        guard let event = try? parser.parse(copying: payload) else { return }
        if let error = event["error"], !error.isNull {
            let message = error["message"]?.string?.string ?? "the stream ended with an error"
            state = .concluded(.brokenOff(message: message))
        } else if let choice = event["choices"]?.elements.first(where: { _ in true }),
            let text = choice["delta"]?["content"]?.string
        {
            show(text)
        }
    }

    func engineFinished(_ result: EngineResult) {
        switch (result, state) {
        case (_, .concluded(let outcome)): completion(outcome)
        case (.failed(let failure), _): completion(.failed(failure))
        case (.complete, _): completion(.brokenOff(message: "the stream ended without its last event"))
        }
    }
}

@available(*, unavailable) extension StreamedQuestion: Sendable {}
