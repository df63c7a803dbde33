import Agent
import Environment
import Primitives
import TestKit

/// An engine whose every word is the test's.
final class ScriptedEngine: Engine {
    struct Request {
        var body: String
        var isStreaming: Bool
        var reply: any EngineReply
    }

    var models: Result<[String], EngineFailure> = .success(["test-model"])
    private(set) var requests: [EngineRequestID: Request] = [:]
    private(set) var started: [EngineRequestID] = []
    private(set) var cancelled: [EngineRequestID] = []
    private(set) var listCount = 0
    private(set) var isPaused = false
    private(set) var pauseCount = 0
    private(set) var isShutDown = false
    var onResume: (() -> Void)?
    private let environment: SimulatedEnvironment

    init(_ environment: SimulatedEnvironment) { self.environment = environment }

    func start(_ request: EngineRequest, reply: any EngineReply) -> EngineRequestID {
        let id = EngineRequestID(number: UInt64(started.count))
        started.append(id)
        requests[id] = Request(body: request.body.string, isStreaming: request.isStreaming, reply: reply)
        return id
    }

    func cancel(_ id: EngineRequestID) { if requests.removeValue(forKey: id) != nil { cancelled.append(id) } }

    func pause() {
        isPaused = true
        pauseCount += 1
    }

    func resume() {
        isPaused = false
        onResume?()
    }

    func listModels(_ completion: @escaping (Result<[String], EngineFailure>) -> Void) {
        listCount += 1
        _ = environment.schedule(at: environment.now + .milliseconds(1)) { [self] in
            if !isShutDown { completion(models) }
        }
    }

    func shutDown() { isShutDown = true }

    func produce(_ index: Int, _ data: String) {
        guard let request = requests[started[index]] else { return }
        withByteView(data) { request.reply.engineProduced($0) }
    }

    func finish(_ index: Int, _ result: EngineResult = .complete) {
        requests.removeValue(forKey: started[index])?.reply.engineFinished(result)
    }
}
