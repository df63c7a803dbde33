import Agent
import Coordinator
import Environment
import Primitives
import Transport

/// Serves the requests of providers that have an `endpoint_url`: one HTTP client per endpoint, which keeps its
/// connections. Lives on the coordinator's loop.
final class EndpointForwarder: RequestForwarder {
    private struct Running {
        var engine: HTTPEngine
        var id: EngineRequestID
        /// The engine holds its replies weakly or not as it likes; this side keeps them.
        var reply: Reply
    }

    private let environment: ShardEnvironment
    private var engines: [String: HTTPEngine] = [:]
    private var running: [ForwardID: Running] = [:]
    private var lastNumber: UInt64 = 0

    init(on environment: ShardEnvironment) {
        self.environment = environment
        environment.atShutdown { [weak self] in self?.shutDown() }
    }

    func forward(_ request: ForwardedRequest, reply: any ForwardReply) -> ForwardID {
        lastNumber += 1
        let id = ForwardID(number: lastNumber)
        guard let engine = engine(for: request.endpoint) else {
            _ = environment.schedule(at: environment.now) { reply.forwardFinished(.broken) }
            return id
        }
        let adapter = Reply(id: id, forwarder: self, target: reply)
        let number = engine.start(
            EngineRequest(body: request.body, isStreaming: request.isStreaming), reply: adapter)
        running[id] = Running(engine: engine, id: number, reply: adapter)
        return id
    }

    func cancel(_ id: ForwardID) {
        guard let request = running.removeValue(forKey: id) else { return }
        request.engine.cancel(request.id)
    }

    private func engine(for endpoint: String) -> HTTPEngine? {
        if let engine = engines[endpoint] { return engine }
        let engine = HTTPEngine(
            settings: HTTPEngineSettings(baseURL: endpoint), environment: environment, loop: environment.loop)
        engines[endpoint] = engine
        return engine
    }

    private func shutDown() {
        for engine in engines.values { engine.shutDown() }
        engines = [:]
        running = [:]
    }

    private final class Reply: EngineReply {
        private let id: ForwardID
        private unowned let forwarder: EndpointForwarder
        private let target: any ForwardReply

        init(id: ForwardID, forwarder: EndpointForwarder, target: any ForwardReply) {
            self.id = id
            self.forwarder = forwarder
            self.target = target
        }

        func engineProduced(_ data: ByteView) { target.forwardProduced(data) }

        func engineFinished(_ result: EngineResult) {
            forwarder.running[id] = nil
            target.forwardFinished(ForwardResult(result))
        }
    }
}

extension ForwardResult {
    fileprivate init(_ result: EngineResult) {
        switch result {
        case .complete: self = .complete
        case .failed(let failure):
            if let status = failure.status {
                self = .answered(status: status, isAboutContext: failure.kind == .contextExceeded)
            } else {
                self = .broken
            }
        }
    }
}
