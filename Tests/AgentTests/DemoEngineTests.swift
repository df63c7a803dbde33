import JSON
import Primitives
import TestKit
import Testing

@testable import Agent

@Suite struct DemoEngineTests {
    let environment = SimulatedEnvironment()

    /// One streamed answer: its events, their contents joined, and the last finish reason.
    struct Answer: Equatable {
        var content = ""
        var finishReason: String?
        var usage: [Int] = []
        var eventCount = 0
        var isDone = false
    }

    private func body(_ members: String = "", question: String = "What does a provider do?") -> String {
        #"{"model":"trunkline-demo","messages":[{"role":"user","content":"\#(question)"}]\#(members)}"#
    }

    private func answer(_ body: String) throws -> Answer {
        let engine = DemoEngine(environment: environment, pace: .zero)
        let reply = RecordingReply()
        _ = engine.start(body, reply: reply)
        #expect(reply.pieces.isEmpty)
        environment.run(for: .seconds(60))
        #expect(reply.result == .complete)
        return try parse(reply.pieces)
    }

    private func parse(_ events: [String]) throws -> Answer {
        var answer = Answer()
        let parser = JSONParser()
        for event in events {
            #expect(event.hasPrefix("data: ") && event.hasSuffix("\n\n"))
            #expect(!answer.isDone)
            answer.eventCount += 1
            let data = String(event.dropFirst(6).dropLast(2))
            if data == "[DONE]" {
                answer.isDone = true
                continue
            }
            try withByteView(data) { bytes in
                let json = try parser.parse(copying: bytes)
                #expect(json["object"]?.string?.string == "chat.completion.chunk")
                #expect(json["model"]?.string?.string == "trunkline-demo")
                for choice in json["choices"]?.elements.map({ $0 }) ?? [] {
                    let role = choice["delta"]?["role"]?.string?.string
                    #expect((role == "assistant") == (answer.eventCount == 1))
                    answer.content += choice["delta"]?["content"]?.string?.string ?? ""
                    if let reason = choice["finish_reason"]?.string { answer.finishReason = reason.string }
                }
                if let usage = json["usage"] {
                    #expect(json["choices"]?.count == 0)
                    answer.usage = ["prompt_tokens", "completion_tokens", "total_tokens"].map { (name: StaticString) in
                        usage[name]?.int ?? -1
                    }
                }
            }
        }
        return answer
    }

    @Test func sameSeedSaysTheSame() throws {
        let first = try answer(body(#","seed":7"#))
        #expect(try answer(body(#","seed":7"#)) == first)
        #expect(try answer(body(#","seed":8"#)).content != first.content)
    }

    @Test func temperatureZeroNeedsNoSeed() throws {
        let first = try answer(body(#","temperature":0"#))
        #expect(try answer(body(#","temperature":0"#)) == first)
        #expect(first.finishReason == "stop")
    }

    @Test func tellsWhatItIsAndEndsWithASentence() throws {
        let answer = try answer(body(#","seed":1"#))
        #expect(answer.content.hasPrefix("I am trunkline-demo, a toy model"))
        #expect(answer.content.last.map { ".?!".contains($0) } == true)
        #expect(answer.finishReason == "stop")
        #expect(answer.isDone)
        #expect(answer.usage.isEmpty)
    }

    @Test(arguments: ["max_tokens", "max_completion_tokens"])
    func stopsAtTheTokenLimit(name: String) throws {
        let answer = try answer(body(#","seed":1,"\#(name)":5,"stream_options":{"include_usage":true}"#))
        #expect(answer.content == "I am trunkline-demo, a")
        #expect(answer.finishReason == "length")
        // Five words and one mark in the question, three for the message.
        #expect(answer.usage == [9, 5, 14])
        #expect(answer.isDone)
    }

    @Test func stopSequenceIsNeverShown() throws {
        let whole = try answer(body(#","seed":3"#)).content
        let marker = "strings words"
        let cut = try answer(body(#","seed":3,"stop":["nowhere to be found","\#(marker)"]"#))
        #expect(whole.contains(marker))
        #expect(cut.content == String(whole[..<(try #require(whole.firstRange(of: marker)).lowerBound)]))
        #expect(cut.finishReason == "stop")
    }

    @Test func wholeAnswerIsOneCompletion() throws {
        let engine = DemoEngine(environment: environment, pace: .milliseconds(25))
        let reply = RecordingReply()
        _ = engine.start(body(#","seed":1,"max_tokens":4"#), isStreaming: false, reply: reply)
        environment.run(for: .milliseconds(100))
        #expect(reply.pieces.isEmpty && reply.result == nil)
        environment.run(for: .seconds(1))
        #expect(reply.result == .complete)
        #expect(reply.pieces.count == 1)
        // A value is valid as long as its parser lives.
        let parser = JSONParser()
        defer { withExtendedLifetime(parser) {} }
        try withByteView(reply.text) { bytes in
            let json = try parser.parse(copying: bytes)
            #expect(json["object"]?.string?.string == "chat.completion")
            let choice = json["choices"]?.elements.first { _ in true }
            #expect(choice?["message"]?["content"]?.string?.string == "I am trunkline-demo,")
            #expect(choice?["finish_reason"]?.string?.string == "length")
            #expect(json["usage"]?["completion_tokens"]?.int == 4)
        }
    }

    @Test func wordsComeAtThePace() {
        let engine = DemoEngine(environment: environment, pace: .milliseconds(25))
        let reply = RecordingReply()
        _ = engine.start(body(#","seed":1"#), reply: reply)
        environment.run(for: .milliseconds(24))
        #expect(reply.pieces.isEmpty)
        environment.run(for: .milliseconds(1))
        #expect(reply.pieces.count == 1)
        environment.run(for: .milliseconds(75))
        #expect(reply.pieces.count == 4)
    }

    @Test func cancelStopsIt() {
        let engine = DemoEngine(environment: environment, pace: .milliseconds(25))
        let reply = RecordingReply()
        let id = engine.start(body(), reply: reply)
        environment.run(for: .milliseconds(60))
        engine.cancel(id)
        engine.cancel(id)
        #expect(reply.pieces.count == 2)
        environment.run(for: .seconds(60))
        #expect(reply.pieces.count == 2 && reply.result == nil)
        #expect(environment.pendingEventCount == 0)
    }

    @Test func pausedItSaysNothing() throws {
        let engine = DemoEngine(environment: environment, pace: .milliseconds(25))
        let reply = RecordingReply()
        _ = engine.start(body(#","temperature":0"#), reply: reply)
        environment.run(for: .milliseconds(60))
        engine.pause()
        environment.run(for: .seconds(60))
        #expect(reply.pieces.count == 2)
        engine.resume()
        engine.resume()
        environment.run(for: .seconds(60))
        #expect(reply.result == .complete)
        #expect(try parse(reply.pieces) == answer(body(#","temperature":0"#)))
    }

    @Test(arguments: [
        ("{", EngineFailure.Kind.refused),
        ("[]", .refused),
        (#"{"model":"trunkline-demo","messages":[]}"#, .refused),
        (#"{"model":"trunkline-demo","messages":[{}]}"#, .refused),
        (#"{"model":"trunkline-demo","messages":[{"role":"user","content":"a"}],"temperature":3}"#, .refused),
        (#"{"model":"trunkline-demo","messages":[{"role":"user","content":"a"}],"max_tokens":0}"#, .refused),
        (
            #"{"model":"trunkline-demo","messages":[{"role":"user","content":"a"}],"stop":["a","b","c","d","e"]}"#,
            .refused
        ),
        (#"{"model":"trunkline-demo","messages":[{"role":"user","content":"a"}],"stop":1}"#, .refused),
        (#"{"model":"gpt-4","messages":[{"role":"user","content":"a"}]}"#, .modelNotLoaded),
        (
            #"{"model":"Trunkline-Demo","messages":[{"role":"user","content":""#
                + String(repeating: "word ", count: 5000) + #""}]}"#, .contextExceeded
        ),
    ])
    func refusesWhatItCannotServe(body: String, kind: EngineFailure.Kind) {
        let engine = DemoEngine(environment: environment, pace: .zero)
        let reply = RecordingReply()
        _ = engine.start(body, reply: reply)
        environment.run(for: .seconds(1))
        guard case .failed(let failure) = reply.result else {
            Issue.record("not refused")
            return
        }
        #expect(failure.kind == kind)
        #expect(reply.pieces.isEmpty)
    }

    @Test func listsItself() {
        let engine = DemoEngine(environment: environment)
        var models: [String]?
        engine.listModels { models = try? $0.get() }
        #expect(models == nil)
        environment.run(for: .seconds(1))
        #expect(models == ["trunkline-demo"])
    }

    @Test func shutDownLeavesNothing() {
        let engine = DemoEngine(environment: environment)
        let reply = RecordingReply()
        _ = engine.start(body(), reply: reply)
        engine.listModels { _ in Issue.record("called after the end") }
        engine.shutDown()
        environment.run(for: .seconds(60))
        #expect(reply.pieces.isEmpty && reply.result == nil)
        #expect(environment.pendingEventCount == 0)
    }

    @Test func manyAtOnceDoNotMix() throws {
        let engine = DemoEngine(environment: environment, pace: .milliseconds(3))
        let replies = (0..<20).map { _ in RecordingReply() }
        for (seed, reply) in replies.enumerated() { _ = engine.start(body(",\"seed\":\(seed)"), reply: reply) }
        environment.run(for: .seconds(60))
        for (seed, reply) in replies.enumerated() {
            #expect(try parse(reply.pieces) == answer(body(",\"seed\":\(seed)")))
        }
    }
}
