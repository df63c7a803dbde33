import Environment
import Primitives
import ProviderProtocol
import TestKit
import Testing
import WebSocketCodec

@testable import Agent

@Suite struct AgentReconnectTests {
    @Test func dialsForEverWithGrowingJitteredWaits() throws {
        let world = try AgentWorld(seed: 5)
        world.dialer.failure = .notConnected(message: "connection refused")
        world.agent.start()
        world.run(.seconds(3600))
        let dials = world.dialer.dialedAt
        #expect(dials.count > 80)
        for (index, (earlier, later)) in zip(dials, dials.dropFirst()).enumerated() {
            let wait = later - earlier - .milliseconds(1)
            #expect(wait <= .seconds(min(60, 1 << min(index, 6))) && wait >= ReconnectBackoff.floor)
        }
        #expect(world.environment.loggedEvents("coordinator_unreachable").count >= dials.count - 1)
        world.dialer.failure = nil
        world.run(.seconds(61))
        #expect(world.agent.isConnected)
    }

    @Test func twoAgentsDoNotReturnTogether() throws {
        let worlds = try [AgentWorld(seed: 1), AgentWorld(seed: 2)]
        for world in worlds {
            world.dialer.failure = .timedOut
            world.agent.start()
            world.run(.seconds(600))
        }
        #expect(Set(worlds[0].dialer.dialedAt).intersection(worlds[1].dialer.dialedAt).count <= 1)
    }

    @Test func reconnectsAfterALossAndStartsOver() throws {
        let world = try AgentWorld()
        world.connect()
        world.run(.seconds(40))
        for _ in 0..<10 {
            let before = world.dialer.dialedAt.count
            world.coordinator.far?.reset()
            // Each session lasted long enough: the wait never grows beyond the first second.
            world.run(.milliseconds(1100))
            #expect(world.dialer.dialedAt.count == before + 1)
            world.run(.seconds(40))
            #expect(world.agent.isConnected)
        }
        #expect(world.coordinator.heard("hello").count == 11)
    }

    @Test func sessionsThatDoNotLastMakeTheWaitsGrow() throws {
        let world = try AgentWorld(seed: 3)
        world.coordinator.greeting = .close(.banned, "banned: provider m4-anon has been rejected by operator")
        world.agent.start()
        world.run(.seconds(3600))
        #expect((70...300).contains(world.dialer.dialedAt.count))
        let record = try #require(world.environment.loggedEvents("coordinator_lost").last)
        #expect(record.fields.contains { $0.0.description == "code" && $0.1 == .int(4009) })
        #expect(record.fields.contains { $0.0.description == "reason" && $0.1 != .string("") })
    }

    @Test func sessionThatHasEndedIsLetGo() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        weak let session = world.session
        weak let request = world.session?.requests["req-1"]
        #expect(session != nil && request != nil)
        world.coordinator.far?.reset()
        world.run(.milliseconds(5))
        #expect(session == nil && request == nil)
    }

    @Test func refusedUpgradeIsTriedAgain() throws {
        let world = try AgentWorld()
        world.coordinator.greeting = .refuse(status: 401)
        world.agent.start()
        world.run(.seconds(1))
        let record = try #require(world.environment.loggedEvents("coordinator_lost").first)
        #expect(record.fields.contains { $0.0.description == "status" && $0.1 == .int(401) })
        world.coordinator.greeting = .accept
        world.run(.seconds(60))
        #expect(world.agent.isConnected)
    }

    @Test func greetingThatNeverComesIsGivenUp() throws {
        let world = try AgentWorld()
        world.coordinator.greeting = .silence
        world.agent.start()
        world.run(.milliseconds(9_900))
        #expect(world.dialer.dialedAt.count == 1)
        world.run(.seconds(2))
        #expect(world.dialer.dialedAt.count == 2)
    }

    @Test func quietCoordinatorIsAskedAndKept() throws {
        let world = try AgentWorld()
        world.connect()
        world.run(.seconds(3600))
        #expect(world.dialer.dialedAt.count == 1)
        #expect((100...125).contains(world.coordinator.pingCount))
    }

    @Test func vanishedCoordinatorIsNoticed() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.near?.outgoing.isBlackHole = true
        world.coordinator.far?.outgoing.isBlackHole = true
        world.run(.seconds(59))
        #expect(world.dialer.dialedAt.count == 1)
        world.run(.seconds(3))
        #expect(world.dialer.dialedAt.count == 2)
        #expect(world.agent.isConnected)
    }

    @Test func shutDownOfTheCoordinatorIsEchoed() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.coordinator.close(.goingAway, "shutting down")
        world.run(.milliseconds(50))
        #expect(world.coordinator.closes.map(\.code) == [1001])
        #expect(world.engine.cancelled.count == 1)
        world.run(.seconds(5))
        #expect(world.agent.isConnected && world.dialer.dialedAt.count == 2)
    }

    @Test func brokenFramesEndTheSessionOnly() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.rawBytes([0x83, 0x00])
        world.run(.milliseconds(200))
        #expect(world.coordinator.closes.map(\.code) == [1002])
        world.run(.seconds(5))
        #expect(world.agent.isConnected)
    }
}

@Suite struct AgentEngineHealthTests {
    private func states(_ world: AgentWorld) -> [String] {
        world.coordinator.heard("state_update").map { "\($0("state") ?? "?") \($0("reason") ?? "-")" }
    }

    @Test func engineThatGoesDownIsNoticedWithoutARequestAndComesBack() throws {
        let world = try AgentWorld()
        world.connect()
        world.engine.models = .failure(EngineFailure(.unreachable, "connection refused"))
        world.run(.seconds(16))
        #expect(states(world) == ["degraded engine_unreachable"])
        world.run(.seconds(60))
        #expect(states(world).count == 1)
        #expect(world.coordinator.heard("heartbeat").last?("status") == "degraded")
        world.engine.models = .success(["test-model"])
        world.run(.seconds(31))
        #expect(states(world) == ["degraded engine_unreachable", "ready -"])
        world.run(.seconds(31))
        #expect(world.coordinator.heard("heartbeat").last?("status") == "ready")
    }

    @Test func requestThatFindsNobodyTellsAtOnce() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.engine.models = .failure(EngineFailure(.unreachable, "connection refused"))
        world.engine.finish(0, .failed(EngineFailure(.unreachable, "connection refused")))
        world.run(.milliseconds(5))
        #expect(states(world) == ["degraded engine_unreachable"])
        world.engine.models = .success(["test-model"])
        world.run(.seconds(2))
        #expect(states(world) == ["degraded engine_unreachable", "ready -"])
    }

    @Test func slowListWhileBusyMeansNothing() throws {
        let world = try AgentWorld()
        world.connect()
        world.engine.models = .failure(EngineFailure(.broken, "timed out"))
        world.coordinator.infer("req-1")
        world.run(.seconds(100))
        #expect(states(world).isEmpty)
    }

    @Test func modelThatVanishesMakesItDegraded() throws {
        let world = try AgentWorld()
        world.connect()
        world.engine.models = .success(["other"])
        world.run(.seconds(16))
        #expect(states(world) == ["degraded model_not_loaded"])
        world.engine.models = .success(["other", "TEST-model"])
        world.run(.seconds(31))
        #expect(states(world) == ["degraded model_not_loaded", "ready -"])
    }

    @Test func reconnectWithADeadEngineSaysSoAtOnce() throws {
        let world = try AgentWorld()
        world.connect()
        world.engine.models = .failure(EngineFailure(.unreachable, "connection refused"))
        world.run(.seconds(20))
        world.coordinator.forget()
        world.coordinator.far?.reset()
        world.run(.seconds(3))
        #expect(world.coordinator.heard.map(\.type).prefix(2) == ["hello", "state_update"])
        #expect(states(world) == ["degraded engine_unreachable"])
    }

    @Test func warmUpIsAnsweredWithTheState() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.say(#"{"type":"warm_up"}"#)
        world.run(.milliseconds(10))
        #expect(states(world) == ["ready -"])
        world.engine.models = .failure(EngineFailure(.unreachable, "connection refused"))
        world.coordinator.say(#"{"type":"warm_up"}"#)
        world.run(.milliseconds(10))
        #expect(states(world).last == "degraded engine_unreachable")
    }
}
