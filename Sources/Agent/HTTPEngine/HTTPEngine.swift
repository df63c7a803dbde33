package import CLibuv
package import Environment
import JSON
import Primitives

/// An OpenAI-compatible inference server reached over HTTP: llama.cpp, Ollama, vLLM, MLX, LM Studio and their like.
///
/// Bodies go to it byte for byte and events come back byte for byte; nothing in between is parsed but errors.
package final class HTTPEngine: Engine {
    private struct Running {
        var exchange: any HTTPExchange
        /// Nil when none could be made; the exchange hears of it in the next turn.
        var transfer: CurlTransfer?
    }

    private let settings: HTTPEngineSettings
    private let endpoint: String
    private let environment: any Environment
    private let curl: CurlMulti
    private let parser = JSONParser()
    private var running: [UInt64: Running] = [:]
    private var lastNumber: UInt64 = 0
    private var isShutDown = false
    /// Whether answers have to wait; exchanges look here before they hand a piece on.
    private(set) var isPaused = false

    /// Nil when the settings name no HTTP URL, or libcurl cannot begin. ``shutDown()`` must be called before the loop
    /// ends and before the engine is let go.
    package init?(settings: HTTPEngineSettings, environment: any Environment, loop: UnsafeMutablePointer<uv_loop_t>) {
        guard let endpoint = settings.endpoint, let curl = CurlMulti(loop: loop, environment: environment) else {
            return nil
        }
        self.settings = settings
        self.endpoint = endpoint
        self.environment = environment
        self.curl = curl
    }

    package func start(_ request: EngineRequest, reply: any EngineReply) -> EngineRequestID {
        let exchange = AnswerExchange(
            engine: self, number: nextNumber(), reply: reply, isStreaming: request.isStreaming,
            limit: settings.answerByteCount, parser: parser)
        begin(
            exchange, path: "/chat/completions", body: request.body,
            accept: request.isStreaming ? "text/event-stream" : "application/json",
            timeout: nil)
        return EngineRequestID(number: exchange.number)
    }

    package func cancel(_ id: EngineRequestID) {
        guard let request = running.removeValue(forKey: id.number) else { return }
        if let transfer = request.transfer { curl.remove(transfer) }
    }

    package func pause() { isPaused = true }

    package func resume() {
        guard isPaused else { return }
        isPaused = false
        for request in running.values where request.exchange.isWaiting {
            request.exchange.isWaiting = false
            if let transfer = request.transfer { curl.unpause(transfer) }
        }
    }

    package func listModels(_ completion: @escaping (Result<[String], EngineFailure>) -> Void) {
        guard !isShutDown else { return }
        let exchange = ModelListExchange(engine: self, number: nextNumber(), parser: parser, completion: completion)
        begin(exchange, path: "/models", body: nil, accept: "application/json", timeout: settings.listTimeout)
    }

    package func shutDown() {
        guard !isShutDown else { return }
        isShutDown = true
        curl.shutDown()
        running.removeAll()
    }

    private func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    private func begin(
        _ exchange: any HTTPExchange, path: String, body: ByteView?, accept: String, timeout: Duration?
    ) {
        var fields = ["Accept: \(accept)"]
        if body != nil {
            // Without "Expect:" libcurl asks for permission before it sends a large body, which costs a round trip and
            // which some engines never answer.
            fields += ["Content-Type: application/json", "Expect:"]
        }
        if let key = settings.apiKey { fields.append("Authorization: Bearer \(key)") }
        let transfer = CurlTransfer(
            url: endpoint + path, fields: fields, body: body, connectTimeout: settings.connectTimeout,
            timeout: timeout, ignoresProxies: settings.isLoopback, receiver: exchange)
        running[exchange.number] = Running(exchange: exchange, transfer: transfer)
        if let transfer, !isShutDown { return curl.add(transfer) }
        _ = environment.schedule(at: environment.now) { [weak self] in
            guard let self, self.isRunning(exchange.number) else { return }
            exchange.finished(.broken("no request could be made"))
        }
    }

    /// The exchange is over; its number means nothing from now on.
    func finished(_ number: UInt64) { running[number] = nil }

    func isRunning(_ number: UInt64) -> Bool { running[number] != nil }
}
