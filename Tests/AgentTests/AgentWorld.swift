import Environment
import Primitives
import TestKit
import Testing
import WebSocketCodec

@testable import Agent

/// An agent, its engine and its coordinator in a simulated world.
final class AgentWorld {
    let environment: SimulatedEnvironment
    let coordinator: ScriptedCoordinator
    let dialer: SimulatedDialer
    let engine: ScriptedEngine
    let agent: Agent
    private let stops: Stops

    final class Stops { var all: [Agent.Stop] = [] }

    init(seed: UInt64 = 1, _ change: (inout AgentSettings) -> Void = { _ in }) throws {
        environment = SimulatedEnvironment(seed: seed)
        coordinator = ScriptedCoordinator(environment)
        let coordinator = coordinator
        dialer = SimulatedDialer(environment, to: coordinator) { coordinator.joined($0, $1) }
        engine = ScriptedEngine(environment)
        let address = try #require(CoordinatorAddress("ws://pool.example:8444"))
        var settings = AgentSettings(
            coordinator: address, providerID: "m4-anon", hostname: "desk", binaryVersion: "1.2.3")
        settings.slots = 2
        settings.throughputEstimate = 20
        // The scripted coordinator knows version 1; how an agent finds that out has tests of its own.
        settings.encryption = .off
        change(&settings)
        let stops = Stops()
        self.stops = stops
        agent = Agent(settings: settings, engine: engine, environment: environment, dialer: dialer) {
            stops.all.append($0)
        }
    }

    /// Starts the agent and runs until its session is live.
    func connect() {
        agent.start()
        run(.milliseconds(20))
        #expect(agent.isConnected)
    }

    func run(_ duration: Duration) { environment.run(for: duration) }

    var stopsSoFar: [Agent.Stop] { stops.all }

    var session: AgentSession? { if case .connected(let session, _) = agent.state { session } else { nil } }

    /// What waits in the agent for its coordinator to read.
    var waiting: (bytes: Int, messages: Int) {
        (session?.writer?.waitingByteCount ?? 0, session?.writer?.waitingMessageCount ?? 0)
    }
}
