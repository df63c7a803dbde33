import Agent
import Environment
import Primitives
import TestKit

/// The product's own agent, connected to a simulated coordinator, with an engine that answers by the clock.
final class AgentInPool: Dialer {
    let agent: Agent
    /// Of all connections so far, the newest last.
    private(set) var connections: [(near: SimulatedConnection, far: SimulatedConnection)] = []
    /// Where it dials to; another one after a restart.
    var acceptor: any ConnectionAcceptor
    private let environment: SimulatedEnvironment
    private let keeper: Keeper

    private final class Keeper { weak var dialer: AgentInPool? }

    /// Agents want a dialer when they are made.
    private final class Relay: Dialer {
        let keeper: Keeper
        init(_ keeper: Keeper) { self.keeper = keeper }
        func dial(_ endpoint: DialEndpoint, timeout: Duration, target: any DialTarget) {
            keeper.dialer?.dial(endpoint, timeout: timeout, target: target)
        }
    }

    init(
        _ environment: SimulatedEnvironment, _ acceptor: any ConnectionAcceptor, id: String = "agent", slots: Int = 4,
        engine: ClockworkEngine, _ change: (inout AgentSettings) -> Void = { _ in }
    ) {
        self.environment = environment
        self.acceptor = acceptor
        // Nothing is resolved: any address will do.
        var settings = AgentSettings(
            coordinator: CoordinatorAddress("ws://pool.test:8444")!, providerID: id, hostname: "host.test",
            binaryVersion: "1.2.0")
        settings.slots = slots
        settings.throughputEstimate = 20
        change(&settings)
        let keeper = Keeper()
        self.keeper = keeper
        agent = Agent(
            settings: settings, engine: engine, environment: environment, dialer: Relay(keeper), onStop: { _ in })
        keeper.dialer = self
        agent.start()
    }

    func dial(_ endpoint: DialEndpoint, timeout: Duration, target: any DialTarget) {
        _ = environment.schedule(at: environment.now + .milliseconds(1)) { [self] in
            let ends = environment.connect(to: acceptor) { near, half in
                // Before the first byte.
                near.isRecording = true
                target.dialed(near, writeHalf: half)
            }
            ends.far.isRecording = true
            connections.append(ends)
        }
    }

    /// What went over all its connections, unmasked: first to the coordinator, then from it.
    var wire: (sent: String, received: String) {
        var sent = ""
        var received = ""
        for connection in connections {
            sent += Self.payloads(connection.near.recorded, isMasked: true)
            received += Self.payloads(connection.far.recorded, isMasked: false)
        }
        return (sent, received)
    }

    private static func payloads(_ bytes: [UInt8], isMasked: Bool) -> String {
        let separator = Array("\r\n\r\n".utf8)
        guard let head = bytes.firstRange(of: separator) else { return "" }
        var reader = RawFrameReader(expectsMask: isMasked)
        let frames = (try? reader.frames(Array(bytes[head.upperBound...]))) ?? []
        return frames.map(\.payloadText).joined(separator: "\n")
    }
}

/// Answers every request with the same number of events, one after the other.
final class ClockworkEngine: Engine {
    var chunkCount = 5
    var pace = Duration.milliseconds(10)
    /// Stands in every event, and in no name or key of the protocol.
    static let word = "SECRET-WORD"
    private(set) var bodies: [String] = []
    private var running: Set<EngineRequestID> = []
    private let environment: SimulatedEnvironment

    init(_ environment: SimulatedEnvironment) { self.environment = environment }

    func start(_ request: EngineRequest, reply: any EngineReply) -> EngineRequestID {
        let id = EngineRequestID(number: UInt64(bodies.count))
        bodies.append(request.body.string)
        running.insert(id)
        step(id, 0, isStreaming: request.isStreaming, reply)
        return id
    }

    private func step(_ id: EngineRequestID, _ index: Int, isStreaming: Bool, _ reply: any EngineReply) {
        _ = environment.schedule(at: environment.now + pace) { [self] in
            guard running.contains(id) else { return }
            guard index < (isStreaming ? chunkCount : 1) else {
                running.remove(id)
                return reply.engineFinished(.complete)
            }
            let text =
                isStreaming ? "data: {\"n\":\(index),\"text\":\"\(Self.word)\"}\n\n" : "{\"text\":\"\(Self.word)\"}"
            withByteView(text) { reply.engineProduced($0) }
            step(id, index + 1, isStreaming: isStreaming, reply)
        }
    }

    func cancel(_ id: EngineRequestID) { running.remove(id) }
    func pause() {}
    func resume() {}

    func listModels(_ completion: @escaping (Result<[String], EngineFailure>) -> Void) {
        _ = environment.schedule(at: environment.now + .milliseconds(1)) { completion(.success(["test-model"])) }
    }

    func shutDown() {}
}
