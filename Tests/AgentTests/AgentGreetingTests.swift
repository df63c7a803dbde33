import Environment
import Primitives
import TestKit
import Testing

@testable import Agent

@Suite struct AgentGreetingTests {
    @Test func saysHelloWithTheEnginesModel() throws {
        let world = try AgentWorld { $0.token = "secret" }
        world.engine.models = .success(["first", "second"])
        world.connect()
        #expect(world.coordinator.upgradeRequests == ["/ws/provider pool.example:8444 Bearer secret"])
        let hello = try #require(world.coordinator.heard("hello").first)
        #expect(hello("version") == "1" && hello("tier") == "1")
        #expect(hello("provider_id") == "m4-anon" && hello("hostname") == "desk" && hello("binary_version") == "1.2.3")
        #expect(hello("model_id") == "first" && hello("max_concurrency") == "2" && hello("attestation") == "null")
        #expect(hello("throughput_tps_estimate").flatMap { Double($0) } == 20)
        #expect(world.coordinator.heard.count == 1)
    }

    @Test func wantedModelIsValidated() throws {
        let world = try AgentWorld { $0.model = "Second" }
        world.engine.models = .success(["first", "second"])
        world.connect()
        #expect(world.coordinator.heard("hello").first?("model_id") == "Second")

        let wrong = try AgentWorld { $0.model = "third" }
        wrong.engine.models = .success(["first", "second"])
        wrong.agent.start()
        wrong.run(.seconds(1))
        #expect(wrong.stopsSoFar == [.modelNotServed(wanted: "third", available: ["first", "second"])])
        #expect(wrong.dialer.dialedAt.isEmpty && wrong.engine.isShutDown)
        wrong.run(.seconds(600))
        #expect(wrong.environment.pendingEventCount == 0)
    }

    @Test func waitsForTheEngineBeforeItDials() throws {
        let world = try AgentWorld()
        world.engine.models = .failure(EngineFailure(.unreachable, "connection refused"))
        world.agent.start()
        world.run(.seconds(300))
        #expect(world.dialer.dialedAt.isEmpty)
        // Full jitter up to 30 s: about twenty tries in five minutes, never a storm.
        #expect((8...60).contains(world.engine.listCount))
        world.engine.models = .success(["m"])
        world.run(.seconds(31))
        #expect(world.agent.isConnected)
    }

    @Test func heartbeatsComeAtTheIntervalThatWasAsked() throws {
        let world = try AgentWorld()
        world.coordinator.heartbeatInterval = 10
        world.connect()
        world.run(.milliseconds(9_900))
        #expect(world.coordinator.heard("heartbeat").isEmpty)
        world.run(.seconds(1))
        let beat = try #require(world.coordinator.heard("heartbeat").first)
        #expect(beat("status") == "ready" && beat("slots_free") == "2" && beat("slots_total") == "2")
        #expect(beat("requests_served_since_last") == "0")
        #expect(beat("avg_latency_ms_since_last") == "null" && beat("throughput_tps_since_last") == "null")
        world.run(.seconds(50))
        #expect(world.coordinator.heard("heartbeat").count == 6)
    }

    @Test func measuresItsThroughput() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.seconds(1))
        for _ in 0..<23 {
            world.engine.produce(0, "data: {}\n\n")
            world.run(.milliseconds(100))
        }
        world.engine.finish(0)
        world.run(.seconds(30))
        let beat = try #require(world.coordinator.heard("heartbeat").first)
        #expect(beat("requests_served_since_last") == "1")
        let rate = try #require(beat("throughput_tps_since_last").flatMap { Double($0) })
        #expect(rate > 8 && rate < 10)
        #expect(beat("throughput_tps_estimate") == beat("throughput_tps_since_last"))
        #expect(beat("avg_latency_ms_since_last").flatMap { Double($0) }.map { $0 > 3200 && $0 < 3400 } == true)
    }

    @Test func pingIsAnsweredOnce() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.ping("are you there")
        world.run(.milliseconds(10))
        #expect(world.coordinator.heard("PONG").map(\.text) == ["are you there"])
    }

    @Test func unknownMessageDrawsANak() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.say(#"{"type":"dance"}"#)
        world.coordinator.say("not JSON")
        world.coordinator.say(#"{"type":"preflight"}"#)
        world.run(.milliseconds(10))
        let nak = try #require(world.coordinator.heard("nak").first)
        #expect(nak("in_reply_to") == "dance" && nak("error.code") == "unknown_message_type")
        #expect(world.coordinator.heard("nak").count == 1)
        #expect(world.agent.isConnected)
    }

    @Test func deliveryInAnyPiecesIsUnderstood() throws {
        for seed in 1...20 as ClosedRange<UInt64> {
            let world = try AgentWorld(seed: seed)
            world.coordinator.prepare = { near, far in
                for end in [near, far] {
                    end.outgoing.cutsAtRandom = true
                    end.outgoing.largestPiece = 7
                }
            }
            world.agent.start()
            world.run(.seconds(1))
            world.coordinator.infer("req-1", body: #"{"q":"é"}"#)
            world.run(.seconds(1))
            #expect(world.engine.requests.values.map(\.body) == [#"{"q":"é"}"#])
            world.engine.produce(0, "data: ü\n\n")
            world.engine.finish(0)
            world.run(.seconds(1))
            #expect(world.coordinator.chunks("req-1") == ["data: ü\n\n"])
        }
    }
}
