import HTTPCodec
import JSON
import Primitives

/// One exchange of an ``HTTPEngine``.
protocol HTTPExchange: CurlTransfer.Receiver {
    var number: UInt64 { get }
    /// A piece came while the engine was paused; libcurl keeps it and stops reading.
    var isWaiting: Bool { get set }
}

/// A buyer's request: events or one JSON body come back, or an error.
final class AnswerExchange: HTTPExchange {
    let number: UInt64
    var isWaiting = false

    private unowned let engine: HTTPEngine
    private let reply: any EngineReply
    private let isStreaming: Bool
    private let limit: Int
    private let parser: JSONParser
    private var events: ServerSentEventSplitter
    /// The JSON body, or the body of an error.
    private var body = ByteQueue()
    private var isTooLong = false

    init(
        engine: HTTPEngine, number: UInt64, reply: any EngineReply, isStreaming: Bool, limit: Int, parser: JSONParser
    ) {
        self.engine = engine
        self.number = number
        self.reply = reply
        self.isStreaming = isStreaming
        self.limit = limit
        self.parser = parser
        events = ServerSentEventSplitter(limit: limit)
    }

    func received(_ bytes: ByteView, status: Int) -> CurlTransfer.Verdict {
        guard (200..<300).contains(status) else {
            body.append(bytes.prefix(EngineFailure.bodyByteCount - body.count))
            return .goOn
        }
        if engine.isPaused {
            isWaiting = true
            return .pause
        }
        return isStreaming ? stream(bytes) : gather(bytes)
    }

    private func stream(_ bytes: ByteView) -> CurlTransfer.Verdict {
        var rest = bytes
        do {
            while let event = try events.next(&rest) {
                reply.engineProduced(event)
                guard engine.isRunning(number) else { return .stop }
            }
            return .goOn
        } catch {
            isTooLong = true
            return .stop
        }
    }

    private func gather(_ bytes: ByteView) -> CurlTransfer.Verdict {
        guard bytes.count <= limit - body.count else {
            isTooLong = true
            return .stop
        }
        body.append(bytes)
        return .goOn
    }

    func finished(_ ending: CurlTransfer.Ending) {
        let result = result(of: ending)
        // A reply that hears the last piece may cancel; then the end must not follow.
        let isWanted = engine.isRunning(number)
        engine.finished(number)
        if isWanted { reply.engineFinished(result) }
    }

    private func result(of ending: CurlTransfer.Ending) -> EngineResult {
        switch ending {
        case .complete(let status) where (200..<300).contains(status):
            return isStreaming ? streamEnded() : bodyEnded()
        case .complete(let status):
            return .failed(.answered(status: status, body: body.view, parser: parser))
        case .stopped:
            return .failed(
                EngineFailure(
                    .broken, isTooLong ? "the answer is longer than \(limit) bytes" : "the answer was stopped"))
        case .unreachable(let text):
            return .failed(EngineFailure(.unreachable, text))
        case .broken(let text):
            return .failed(EngineFailure(.broken, text))
        }
    }

    private func streamEnded() -> EngineResult {
        guard let rest = events.finish() else { return .complete }
        // An event without its empty line: engines that stop right behind the last line mean it as an event.
        guard rest.hasPrefix("data:") else {
            return .failed(EngineFailure(.broken, "the engine did not answer with events"))
        }
        var event = ByteQueue()
        event.append(rest)
        event.append("\n\n")
        reply.engineProduced(event.view)
        return .complete
    }

    private func bodyEnded() -> EngineResult {
        guard !body.isEmpty else { return .failed(EngineFailure(.broken, "the engine answered nothing")) }
        reply.engineProduced(body.view)
        return .complete
    }
}

/// `GET /v1/models`.
final class ModelListExchange: HTTPExchange {
    /// Longest list that is read, and the most names that are taken from it.
    static let byteCount = 1024 * 1024
    static let modelCount = 1024

    let number: UInt64
    var isWaiting = false

    private unowned let engine: HTTPEngine
    private let parser: JSONParser
    private let completion: (Result<[String], EngineFailure>) -> Void
    private var body = ByteQueue()

    init(
        engine: HTTPEngine, number: UInt64, parser: JSONParser,
        completion: @escaping (Result<[String], EngineFailure>) -> Void
    ) {
        self.engine = engine
        self.number = number
        self.parser = parser
        self.completion = completion
    }

    func received(_ bytes: ByteView, status: Int) -> CurlTransfer.Verdict {
        guard bytes.count <= Self.byteCount - body.count else { return .stop }
        body.append(bytes)
        return .goOn
    }

    func finished(_ ending: CurlTransfer.Ending) {
        engine.finished(number)
        switch ending {
        case .complete(200): completion(models())
        case .complete(let status): completion(.failure(.answered(status: status, body: body.view, parser: parser)))
        case .stopped: completion(.failure(EngineFailure(.broken, "the list of models is too long")))
        case .unreachable(let text): completion(.failure(EngineFailure(.unreachable, text)))
        case .broken(let text): completion(.failure(EngineFailure(.broken, text)))
        }
    }

    private func models() -> Result<[String], EngineFailure> {
        guard let list = try? parser.parse(body.view)["data"], list.isArray else {
            return .failure(EngineFailure(.broken, "the engine's list of models is not in the OpenAI form"))
        }
        var names: [String] = []
        for entry in list.elements {
            guard names.count < Self.modelCount else { break }
            if let name = entry["id"]?.string, !name.isEmpty { names.append(name.string) }
        }
        return .success(names)
    }
}
