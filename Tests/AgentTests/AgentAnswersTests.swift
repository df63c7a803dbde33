import Environment
import Primitives
import TestKit
import Testing
import WebSocketCodec

@testable import Agent

@Suite struct AgentAnswersTests {
    @Test func eventsAreRelayedUnchangedAndAtOnce() throws {
        let world = try AgentWorld()
        world.connect()
        let body = #"{"model":"test-model","stream":true,"messages":[{"role":"user","content":"\u00e9 \"x\""}]}"#
        world.coordinator.infer("req-1", body: body)
        world.run(.milliseconds(5))
        #expect(world.engine.requests.values.map(\.body) == [body])
        #expect(world.engine.requests.values.map(\.isStreaming) == [true])
        let events = [
            "data: {\"a\":\"\\u00e9\\n\"}\n\n", ": comment\n\n", "event: x\r\ndata: é😀\"\\\r\n\r\n", "data: [DONE]\n\n",
        ]
        for (index, event) in events.enumerated() {
            world.engine.produce(0, event)
            world.environment.flushDirty()
            world.run(.milliseconds(1))
            #expect(world.coordinator.chunks("req-1") == Array(events[...index]))
        }
        world.engine.finish(0)
        world.run(.milliseconds(5))
        let end = try #require(world.coordinator.end("req-1"))
        #expect(end("status") == "complete" && end("chunks_sent") == "4")
        #expect(end("error") == nil && end("usage") == nil)
    }

    @Test func wholeAnswerIsOneChunkWithItsUsage() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1", stream: false)
        world.run(.milliseconds(5))
        #expect(world.engine.requests.values.map(\.isStreaming) == [false])
        let body = #"{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}}"#
        world.engine.produce(0, body)
        world.engine.finish(0)
        world.run(.milliseconds(5))
        #expect(world.coordinator.chunks("req-1") == [body])
        let end = try #require(world.coordinator.end("req-1"))
        #expect(end("chunks_sent") == "1" && end("usage.prompt_tokens") == "7")
        #expect(end("usage.completion_tokens") == "5" && end("usage.total_tokens") == "12")
    }

    @Test(
        arguments: [
            (#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#, "7"),
            (#"data: {"choices":[],"usage" : {"total_tokens":7}}"#, "7"),
            (#"data: {"choices":[],"usage":null}"#, nil),
            (#"data: {"choices":[{"delta":{"content":"\"usage\":{\"total_tokens\":7}"}}]}"#, nil),
            (#"data: {"usage":{"total_tokens":"many"}}"#, nil),
            (#"data: {"usage":{"total_tokens":7}"#, nil),
            (#"data: "usage"#, nil),
        ] as [(String, String?)])
    func usageIsFoundInTheStream(event: String, total: String?) throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.engine.produce(0, event + "\n\n")
        world.engine.finish(0)
        world.run(.milliseconds(5))
        #expect(world.coordinator.end("req-1")?("usage.total_tokens") == total)
    }

    @Test(arguments: [
        (EngineFailure.Kind.unreachable, "error_internal"), (.broken, "error_internal"), (.refused, "error_internal"),
        (.modelNotLoaded, "error_model_not_loaded"), (.contextExceeded, "error_context_exceeded"),
        (.queueFull, "error_queue_full"),
    ])
    func failureBecomesTheRightStatus(kind: EngineFailure.Kind, status: String) throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.engine.produce(0, "data: {}\n\n")
        world.engine.finish(0, .failed(EngineFailure(kind, "what it said")))
        world.run(.milliseconds(5))
        let end = try #require(world.coordinator.end("req-1"))
        #expect(end("status") == status && end("chunks_sent") == "1" && end("error.message") == "what it said")
    }

    @Test func neverMoreThanItsSlots() throws {
        let world = try AgentWorld()
        world.connect()
        for number in 1...3 { world.coordinator.infer("req-\(number)") }
        world.run(.milliseconds(5))
        #expect(world.engine.requests.count == 2)
        #expect(world.coordinator.end("req-3")?("status") == "error_queue_full")
        #expect(world.coordinator.end("req-3")?("chunks_sent") == "0")
        world.engine.finish(0)
        world.coordinator.infer("req-4")
        world.run(.milliseconds(5))
        #expect(world.engine.requests.count == 2)
        #expect(world.coordinator.end("req-4") == nil)
    }

    @Test func aNameInUseIsNotTakenTwice() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        #expect(world.engine.requests.count == 1)
        #expect(world.coordinator.end("req-1") == nil)
    }

    @Test func cancelAbortsTheEngineAndEndsTheRequest() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.coordinator.infer("req-2")
        world.run(.milliseconds(5))
        world.engine.produce(0, "data: {}\n\n")
        world.coordinator.cancel("req-1")
        world.coordinator.cancel("req-unknown")
        world.run(.milliseconds(5))
        #expect(world.engine.cancelled == [world.engine.started[0]])
        let end = try #require(world.coordinator.end("req-1"))
        #expect(end("status") == "cancelled" && end("chunks_sent") == "1")
        world.coordinator.cancel("req-1")
        world.engine.produce(1, "data: {}\n\n")
        world.run(.milliseconds(5))
        #expect(world.coordinator.chunks("req-2").count == 1)
        #expect(world.coordinator.heard("inference_response_end").count == 1)
    }

    @Test func pieceTooLongForAMessageFailsTheRequestOnly() throws {
        let world = try AgentWorld { $0.writerLimits.messageByteCount = 10_000 }
        world.connect()
        world.coordinator.infer("req-1")
        world.coordinator.infer("req-2")
        world.run(.milliseconds(5))
        world.engine.produce(0, String(repeating: "x", count: 20_000))
        world.engine.produce(1, "data: {}\n\n")
        world.run(.milliseconds(5))
        #expect(world.coordinator.end("req-1")?("status") == "error_internal")
        #expect(world.engine.cancelled == [world.engine.started[0]])
        #expect(world.coordinator.chunks("req-2").count == 1)
    }

    @Test func preflightIsAnsweredByWhatCouldBeServed() throws {
        let world = try AgentWorld { $0.maxContextTokens = 1000 }
        world.connect()
        func ask(_ id: String, _ tokens: Int = 100) throws -> ScriptedCoordinator.Heard {
            world.coordinator.say(#"{"type":"preflight","request_id":"\#(id)","estimated_tokens":\#(tokens)}"#)
            world.run(.milliseconds(5))
            return try #require(world.coordinator.heard("preflight_ack").first { $0("request_id") == id })
        }
        let accepted = try ask("req-a", 1000)
        #expect(accepted("accepted") == "true" && accepted("estimated_wait_ms").flatMap { Double($0) } == 0)
        let long = try ask("req-b", 1001)
        #expect(long("accepted") == "false" && long("reason") == "context_exceeds_capacity")
        world.coordinator.infer("req-1")
        world.coordinator.infer("req-2")
        #expect(try ask("req-c")("reason") == "queue_full")
        world.engine.models = .failure(EngineFailure(.unreachable, "refused"))
        world.engine.finish(0, .failed(EngineFailure(.unreachable, "refused")))
        #expect(try ask("recovery-probe-1")("reason") == "unhealthy")
        world.coordinator.say(#"{"type":"drain"}"#)
        #expect(try ask("req-d")("reason") == "draining")
    }

    @Test func lostConnectionAbortsWhatIsInFlight() throws {
        let world = try AgentWorld()
        world.connect()
        world.coordinator.infer("req-1")
        world.coordinator.infer("req-2")
        world.run(.milliseconds(5))
        world.coordinator.far?.reset()
        world.run(.milliseconds(5))
        #expect(Set(world.engine.cancelled) == Set(world.engine.started))
        #expect(world.agent.inflightRequestCount == 0)
    }
}

@Suite struct AgentBackpressureTests {
    /// A coordinator that does not read: the pipe takes 64 KiB, the rest waits in the agent.
    private func stalledWorld(bytes: Int = 400_000, messages: Int = 4000) throws -> AgentWorld {
        let world = try AgentWorld {
            $0.highWaterByteCount = bytes
            $0.highWaterMessageCount = messages
            $0.writerLimits.writeTimeout = .seconds(10)
        }
        world.coordinator.prepare = { near, _ in near.outgoing.capacity = 64 * 1024 }
        world.connect()
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.coordinator.near?.outgoing.isStalled = true
        return world
    }

    private func produce(_ world: AgentWorld, upTo limit: Int, of length: Int) -> Int {
        var count = 0
        while !world.engine.isPaused && count < limit {
            world.engine.produce(0, "data: \(String(repeating: "x", count: length))\n\n")
            world.environment.flushDirty()
            count += 1
        }
        return count
    }

    @Test(arguments: [(10_000, 400_000, 1_000_000), (10, 10_000_000, 4000)])
    func engineWaitsAndGoesOnAtHalf(length: Int, bytes: Int, messages: Int) throws {
        let world = try stalledWorld(bytes: bytes, messages: messages)
        let limit = 10_000
        let count = produce(world, upTo: limit, of: length)
        #expect(world.engine.isPaused && world.engine.pauseCount == 1)
        #expect(count < limit)
        // What an engine that was told to wait still hands over is not lost.
        world.engine.produce(0, "data: late\n\n")
        world.run(.milliseconds(100))
        #expect(world.engine.isPaused)
        var waitingAtResume = (bytes: Int.max, messages: Int.max)
        world.engine.onResume = { [unowned world] in waitingAtResume = world.waiting }
        world.coordinator.near?.outgoing.isStalled = false
        world.coordinator.near?.scheduleDelivery()
        world.run(.milliseconds(100))
        #expect(!world.engine.isPaused)
        #expect(waitingAtResume.bytes <= bytes / 2 && waitingAtResume.messages <= messages / 2)
        world.engine.finish(0)
        world.run(.milliseconds(100))
        #expect(world.coordinator.chunks("req-1").count == count + 1)
        #expect(world.coordinator.end("req-1")?("chunks_sent") == String(count + 1))
    }

    @Test func coordinatorThatNeverReadsIsLeft() throws {
        let world = try stalledWorld()
        _ = produce(world, upTo: 1000, of: 10_000)
        world.run(.seconds(11))
        #expect(!world.engine.isPaused)
        #expect(world.engine.cancelled == [world.engine.started[0]])
        #expect(world.environment.loggedEvents("coordinator_lost").count == 1)
    }
}
