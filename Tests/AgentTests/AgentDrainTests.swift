import Environment
import Primitives
import TestKit
import Testing
import WebSocketCodec

@testable import Agent

@Suite struct AgentDrainTests {
    private func phases(_ world: AgentWorld) -> [String] {
        world.coordinator.heard("drain_status").map { "\($0("phase") ?? "?") \($0("inflight_requests") ?? "?")" }
    }

    @Test func finishesWhatIsInFlightThenStops() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.coordinator.infer("req-2")
        world.run(.milliseconds(5))
        world.agent.startDrain()
        world.agent.startDrain()
        world.run(.milliseconds(5))
        #expect(phases(world) == ["starting 2"])
        world.coordinator.infer("req-3")
        world.run(.milliseconds(5))
        #expect(world.coordinator.end("req-3")?("status") == "error_queue_full")
        #expect(world.engine.started.count == 2)
        world.engine.produce(0, "data: x\n\n")
        world.engine.finish(0)
        world.run(.milliseconds(5))
        #expect(phases(world) == ["starting 2", "in_progress 1"])
        world.run(.seconds(11))
        #expect(phases(world) == ["starting 2", "in_progress 1", "in_progress 1", "in_progress 1"])
        world.engine.produce(1, "data: x\n\n")
        world.engine.finish(1)
        world.run(.milliseconds(50))
        #expect(phases(world).last == "complete 0")
        #expect(world.coordinator.heard.last?.type == "drain_status")
        #expect(world.coordinator.end("req-2")?("status") == "complete")
        #expect(world.coordinator.closes.map(\.code) == [1000])
        #expect(world.stopsSoFar == [.drained])
        #expect(world.engine.isShutDown)
        world.run(.seconds(600))
        #expect(world.dialer.dialedAt.count == 1)
        #expect(world.environment.pendingEventCount == 0)
    }

    @Test func idleItStopsAtOnce() throws {
        let world = try AgentWorld()
        world.connect()
        world.agent.startDrain()
        world.run(.milliseconds(200))
        #expect(phases(world) == ["starting 0", "complete 0"])
        #expect(world.stopsSoFar == [.drained])
    }

    @Test func drainHasATimeLimit() throws {
        let world = try AgentWorld { $0.drainTimeout = .seconds(20) }
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.agent.startDrain()
        world.run(.seconds(19))
        #expect(world.stopsSoFar.isEmpty)
        world.run(.seconds(2))
        #expect(world.coordinator.end("req-1")?("status") == "error_internal")
        #expect(world.engine.cancelled.count == 1)
        #expect(phases(world).last == "complete 0")
        #expect(world.stopsSoFar == [.drained])
    }

    @Test func coordinatorsDrainLeadsToANewSession() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.coordinator.say(#"{"type":"drain"}"#)
        world.run(.milliseconds(5))
        #expect(phases(world) == ["starting 1"])
        world.engine.finish(0)
        world.run(.milliseconds(50))
        #expect(phases(world) == ["starting 1", "complete 0"])
        #expect(world.coordinator.closes.map(\.code) == [1000])
        #expect(world.stopsSoFar.isEmpty)
        world.run(.seconds(5))
        #expect(world.agent.isConnected && world.dialer.dialedAt.count == 2)
    }

    @Test func cancelledRequestsEndADrainToo() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.agent.startDrain()
        world.coordinator.cancel("req-1")
        world.run(.milliseconds(50))
        #expect(world.coordinator.end("req-1")?("status") == "cancelled")
        #expect(world.stopsSoFar == [.drained])
    }

    @Test func stopDoesNotWait() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.agent.stop()
        world.run(.milliseconds(200))
        #expect(world.engine.cancelled.count == 1)
        #expect(world.coordinator.closes.map(\.code) == [1001])
        #expect(world.stopsSoFar == [.stopped])
    }

    enum Moment: CaseIterable { case beforeStart, awaitingEngine, dialing, upgrading, waiting }

    @Test(arguments: Moment.allCases)
    func withoutASessionItStopsAtOnce(moment: Moment) throws {
        let world = try AgentWorld()
        switch moment {
        case .beforeStart: break
        case .awaitingEngine:
            world.engine.models = .failure(EngineFailure(.unreachable, "refused"))
            world.agent.start()
            world.run(.seconds(5))
        case .dialing:
            world.agent.start()
            world.run(.microseconds(1500))
            #expect(world.dialer.dialedAt.count == 1)
        case .upgrading:
            world.coordinator.greeting = .silence
            world.agent.start()
            world.run(.seconds(1))
        case .waiting:
            world.dialer.failure = .timedOut
            world.agent.start()
            world.run(.milliseconds(5))
        }
        world.agent.startDrain()
        world.run(.milliseconds(200))
        #expect(world.stopsSoFar == [.drained])
        world.run(.seconds(600))
        #expect(!world.agent.isConnected && world.engine.isShutDown)
        #expect(world.environment.pendingEventCount == 0)
    }
}
