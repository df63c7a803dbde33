import Coordinator
import Environment
import JSON
import Pool
import Primitives
import TestKit
import Testing

@testable import Agent

/// The agent and the project's own coordinator, both real, in virtual time.
@Suite struct AgentWithCoordinatorTests {
    final class World {
        let simulated: SimulatedWorld
        let engine: any Engine
        let agent: Agent
        private(set) var near: SimulatedConnection?

        init(seed: UInt64 = 1, engine: ((SimulatedEnvironment) -> any Engine)? = nil) throws {
            simulated = SimulatedWorld(seed: seed)
            let environment = simulated.environment
            self.engine = engine?(environment) ?? DemoEngine(environment: environment, pace: .milliseconds(25))
            final class Box { var near: SimulatedConnection? }
            let box = Box()
            let dialer = SimulatedDialer(environment, to: simulated.coordinator.providerAcceptor) { near, far in
                for end in [near, far] {
                    end.outgoing.cutsAtRandom = true
                    end.outgoing.jitter = .milliseconds(3)
                }
                box.near = near
            }
            var settings = AgentSettings(
                coordinator: try #require(CoordinatorAddress("ws://pool.example")), providerID: "m4-anon",
                hostname: "desk", binaryVersion: "1.2.3")
            settings.slots = 2
            agent = Agent(settings: settings, engine: self.engine, environment: environment, dialer: dialer) { _ in }
            agent.start()
            let agent = agent
            #expect(simulated.run(upTo: .seconds(5)) { agent.isConnected })
            near = box.near
        }

        var state: ProviderState? { simulated.coordinator.pool.entries.first?.state }
    }

    @Test(arguments: 1...10 as ClosedRange<UInt64>)
    func buyersGetTheDemosAnswers(seed: UInt64) throws {
        let world = try World(seed: seed)
        let streaming = world.simulated.buyer()
        streaming.complete(
            model: "trunkline-demo", stream: true, extra: #","seed":1,"stream_options":{"include_usage":true}"#)
        let whole = world.simulated.buyer()
        whole.complete(model: "trunkline-demo", stream: false, extra: #","seed":1"#)
        #expect(world.simulated.wait(for: streaming) && world.simulated.wait(for: whole))
        #expect(streaming.responses[0].status == 200 && whole.responses[0].status == 200)
        let events = streaming.responses[0].events
        #expect(events.last == "[DONE]")

        let parser = JSONParser()
        defer { withExtendedLifetime(parser) {} }
        func content(_ text: String, _ part: StaticString) throws -> String {
            try withByteView(text) { bytes in
                let choice = try parser.parse(copying: bytes)["choices"]?.elements.first { _ in true }
                return choice?[part]?["content"]?.string?.string ?? ""
            }
        }
        let streamed = try events.dropLast().map { try content($0, "delta") }.joined()
        #expect(streamed.hasPrefix("I am trunkline-demo"))
        #expect(try content(whole.responses[0].text, "message") == streamed)
        #expect(world.simulated.leftovers.isEmpty)
    }

    @Test func buyerThatLeavesFreesTheSlot() throws {
        let world = try World()
        let buyer = world.simulated.buyer()
        buyer.complete(model: "trunkline-demo", stream: true)
        let agent = world.agent
        #expect(world.simulated.run(upTo: .seconds(5)) { agent.inflightRequestCount == 1 })
        world.simulated.run(for: .milliseconds(200))
        buyer.leave()
        world.simulated.run(for: .milliseconds(1000))
        #expect(agent.inflightRequestCount == 0)
        #expect(world.simulated.leftovers.isEmpty)
    }

    @Test func longPromptIsRefusedByTheModel() throws {
        let world = try World()
        let buyer = world.simulated.buyer()
        // Short enough for the coordinator's estimate of tokens, too long for the model's own count.
        buyer.complete(model: "trunkline-demo", stream: false, content: String(repeating: "a ", count: 5000))
        #expect(world.simulated.wait(for: buyer))
        #expect(buyer.responses[0].status == 413)
        #expect(buyer.responses[0].text.contains("context_length_exceeded"))
    }

    @Test func engineThatDiesAndReturnsIsFollowed() throws {
        let world = try World { ScriptedEngine($0) }
        let engine = try #require(world.engine as? ScriptedEngine)
        #expect(world.state == .ready)
        engine.models = .failure(EngineFailure(.unreachable, "connection refused"))
        world.simulated.run(for: .seconds(20))
        #expect(world.state == .degraded)
        engine.models = .success(["test-model"])
        world.simulated.run(for: .seconds(40))
        #expect(world.state == .ready)
        // Long after the last probe of the coordinator's.
        world.simulated.run(for: .seconds(3600))
        #expect(world.state == .ready && world.agent.isConnected)
    }

    @Test func drainedAgentLeavesAndItsAnswerIsWhole() throws {
        let world = try World()
        let buyer = world.simulated.buyer()
        buyer.complete(model: "trunkline-demo", stream: true)
        let agent = world.agent
        #expect(world.simulated.run(upTo: .seconds(5)) { agent.inflightRequestCount == 1 })
        world.agent.startDrain()
        world.simulated.run(for: .milliseconds(100))
        #expect(world.state == .draining)
        #expect(world.simulated.wait(for: buyer))
        #expect(buyer.responses[0].status == 200 && buyer.responses[0].events.last == "[DONE]")
        world.simulated.run(for: .seconds(1))
        #expect(!agent.isConnected && world.simulated.coordinator.pool.counts.total == 0)
        #expect(world.simulated.leftovers.isEmpty)
    }

    @Test func coordinatorsShutdownIsSurvived() throws {
        let world = try World()
        var isFinished = false
        world.simulated.coordinator.startDrain(limit: .seconds(30)) { isFinished = true }
        world.simulated.run(for: .seconds(31))
        #expect(isFinished && !world.agent.isConnected)
        #expect(world.simulated.environment.loggedEvents("coordinator_lost").count >= 1)
    }
}
