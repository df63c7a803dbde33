import Environment
import HTTPCodec
import Primitives
import Testing
import Transport

@testable import Agent

/// libcurl, the loop and real sockets; the server is the test's own, on the same loop.
@Suite(.timeLimit(.minutes(1))) struct HTTPEngineTests {
    /// Everything of one test that lives on the loop.
    final class World {
        let server = TinyHTTPServer()
        let environment: ShardEnvironment
        let engine: HTTPEngine
        let port: UInt16

        init(_ environment: ShardEnvironment, path: String = "", _ change: (inout HTTPEngineSettings) -> Void) throws {
            self.environment = environment
            let listener = try environment.listen(ListenSettings(hosts: ["127.0.0.1"], port: 0), acceptor: server)
            environment.keep(server)
            port = listener.addresses[0].port
            var settings = HTTPEngineSettings(baseURL: "http://127.0.0.1:\(port)\(path)")
            change(&settings)
            engine = try #require(HTTPEngine(settings: settings, environment: environment, loop: environment.loop))
            let (engine, server) = (engine, server)
            environment.atShutdown {
                engine.shutDown()
                server.forget()
            }
            environment.keep(self)
        }
    }

    /// What a reply heard.
    struct Outcome: Sendable {
        var pieces: [String] = []
        var result: EngineResult?
        var text: String { pieces.joined() }
    }

    /// A reply that tells at its end.
    final class TellingReply: EngineReply {
        var outcome = Outcome()
        var onPiece: ((Outcome) -> Void)?
        let onEnd: (Outcome) -> Void

        init(_ onEnd: @escaping (Outcome) -> Void) { self.onEnd = onEnd }

        func engineProduced(_ data: ByteView) {
            outcome.pieces.append(data.string)
            onPiece?(outcome)
        }

        func engineFinished(_ result: EngineResult) {
            outcome.result = result
            onPiece = nil
            onEnd(outcome)
        }
    }

    /// Runs `body` on a fresh loop; it calls `done` when all has happened, and then the loop ends.
    private func onLoop<Value: Sendable>(
        _ body: @escaping @Sendable (ShardEnvironment, _ done: @escaping (Value) -> Void) throws -> Void
    ) async throws -> Value {
        let shard = try Shard.start()
        let value: Result<Value, any Error> = await withCheckedContinuation { continuation in
            shard.post { environment in
                do {
                    try body(environment) { continuation.resume(returning: .success($0)) }
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
        }
        await shard.stop()
        return try value.get()
    }

    private func ask(
        _ body: String = "{}", isStreaming: Bool = true, path: String = "",
        _ change: @escaping @Sendable (inout HTTPEngineSettings) -> Void = { _ in },
        respond: @escaping @Sendable (TinyHTTPServer.Exchange) -> Void
    ) async throws -> Outcome {
        try await onLoop { environment, done in
            let world = try World(environment, path: path, change)
            world.server.respond = respond
            _ = world.engine.start(body, isStreaming: isStreaming, reply: TellingReply(done))
        }
    }

    @Test func bodyAndEventsPassUnchanged() async throws {
        let body = #"{"model":"m","messages":[{"role":"user","content":"é \u00e9 \"x\""}] }"#
        let events = [": ping\n\n", "data: {\"x\":\"é\\n\"}\n\n", "event: a\r\ndata: b\r\n\r\n", "data: [DONE]\n\n"]
        let outcome = try await ask(body) { exchange in
            #expect(exchange.method == .post && exchange.path == "/v1/chat/completions")
            #expect(exchange.body == body)
            #expect(exchange.fields["Content-Type"] == "application/json")
            #expect(exchange.fields["Accept"] == "text/event-stream")
            #expect(exchange.fields["Authorization"] == nil && exchange.fields["Expect"] == nil)
            exchange.startEvents()
            // Cut where events do not end.
            exchange.event(String(events.joined().prefix(12)))
            exchange.event(String(events.joined().dropFirst(12)))
            exchange.endEvents()
        }
        #expect(outcome.pieces == events)
        #expect(outcome.result == .complete)
    }

    @Test func eachEventComesAtOnce() async throws {
        let pieces: [String] = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            let reply = TellingReply { done($0.pieces) }
            // The server says the next word only when the last one was heard.
            reply.onPiece = { outcome in
                let exchange = world.server.exchanges[0]
                if outcome.pieces.count < 20 {
                    exchange.event("data: \(outcome.pieces.count)\n\n")
                } else {
                    exchange.endEvents()
                }
            }
            world.server.respond = { exchange in
                exchange.startEvents()
                exchange.event("data: 0\n\n")
            }
            _ = world.engine.start("{}", reply: reply)
        }
        #expect(pieces == (0..<20).map { "data: \($0)\n\n" })
    }

    @Test func wholeAnswerIsOnePiece() async throws {
        let body = #"{"choices":[]}"# + String(repeating: " ", count: 300_000)
        let outcome = try await ask(isStreaming: false) { exchange in
            #expect(exchange.fields["Accept"] == "application/json")
            exchange.answer(200, body)
        }
        #expect(outcome.pieces == [body])
        #expect(outcome.result == .complete)
    }

    @Test func largeBodyNeedsNoPermission() async throws {
        let body = String(repeating: "x", count: 3_000_000)
        let outcome = try await ask(body, isStreaming: false) { exchange in
            #expect(exchange.fields["Expect"] == nil)
            exchange.answer(200, "\(exchange.body.utf8.count)")
        }
        #expect(outcome.text == "3000000")
    }

    @Test func lastEventWithoutItsBlankLineIsCompleted() async throws {
        let outcome = try await ask { exchange in
            exchange.startEvents()
            exchange.event("data: a\n\ndata: [DONE]\n")
            exchange.endEvents()
        }
        #expect(outcome.pieces.count == 2 && outcome.pieces[1].hasPrefix("data: [DONE]\n"))
        #expect(outcome.pieces[1].hasSuffix("\n\n"))
        #expect(outcome.result == .complete)
    }

    @Test(arguments: [
        (
            400, #"{"error":{"message":"too long","code":"context_length_exceeded"}}"#,
            EngineFailure.Kind.contextExceeded
        ),
        (404, #"{"error":{"message":"no such model"}}"#, .modelNotLoaded),
        (429, "", .queueFull), (503, "Loading model", .queueFull), (500, "", .broken), (401, "", .refused),
        (307, "", .refused),
    ])
    func errorAnswersAreMapped(status: Int, body: String, kind: EngineFailure.Kind) async throws {
        for isStreaming in [true, false] {
            let outcome = try await ask(isStreaming: isStreaming) { $0.answer(status, body) }
            guard case .failed(let failure) = outcome.result else {
                Issue.record("no failure for \(status)")
                return
            }
            #expect(failure.kind == kind)
            #expect(outcome.pieces.isEmpty)
        }
    }

    enum Fault: CaseIterable, Sendable { case nothing, noAnswer, midEvents, midBody, notEvents, emptyBody }

    @Test(arguments: Fault.allCases)
    func brokenAnswersFail(fault: Fault) async throws {
        let outcome = try await ask(isStreaming: fault != .midBody && fault != .emptyBody) { exchange in
            switch fault {
            case .nothing: exchange.drop()
            case .noAnswer:
                exchange.head(200, "text/event-stream", .length(100))
                exchange.connection.finish()
            case .midEvents:
                exchange.startEvents()
                exchange.event("data: a\n\n")
                exchange.connection.finish()
            case .midBody:
                exchange.head(200, "application/json", .length(100))
                exchange.connection.finish()
            case .notEvents: exchange.answer(200, #"{"choices":[]}"#)
            case .emptyBody: exchange.answer(200, "")
            }
        }
        guard case .failed(let failure) = outcome.result else {
            Issue.record("no failure")
            return
        }
        #expect(failure.kind == .broken && !failure.message.isEmpty)
        #expect(outcome.pieces == (fault == .midEvents ? ["data: a\n\n"] : []))
    }

    @Test func nobodyListens() async throws {
        let outcome: Outcome = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            // A port that was free a moment ago: the listener that had it is gone.
            let other = try environment.listen(
                ListenSettings(hosts: ["127.0.0.1"], port: 0), acceptor: world.server)
            let port = other.addresses[0].port
            other.stop()
            let settings = HTTPEngineSettings(baseURL: "http://127.0.0.1:\(port)")
            let engine = try #require(HTTPEngine(settings: settings, environment: environment, loop: environment.loop))
            environment.atShutdown { engine.shutDown() }
            _ = engine.start("{}", reply: TellingReply(done))
        }
        guard case .failed(let failure) = outcome.result else {
            Issue.record("no failure")
            return
        }
        #expect(failure.kind == .unreachable)
    }

    @Test func cancelAbortsTheServersRequest() async throws {
        // Before the answer has begun, and in the middle of it.
        for isBegun in [false, true] {
            let heard: Int = try await onLoop { environment, done in
                let world = try World(environment) { _ in }
                let reply = TellingReply { _ in Issue.record("the reply heard an end") }
                var id: EngineRequestID?
                reply.onPiece = { outcome in if let id { world.engine.cancel(id) } }
                world.server.respond = { exchange in
                    exchange.onClosed = { done(reply.outcome.pieces.count) }
                    if isBegun {
                        exchange.startEvents()
                        // The second event lies in the same piece: a cancelled request hears nothing of it.
                        exchange.event("data: a\n\ndata: b\n\n")
                    } else if let id {
                        world.engine.cancel(id)
                        world.engine.cancel(id)
                    }
                }
                id = world.engine.start("{}", reply: reply)
            }
            #expect(heard == (isBegun ? 1 : 0))
        }
    }

    @Test func pausedItReadsNoMoreAndLosesNothing() async throws {
        let eventCount = 60_000
        let event = "data: " + String(repeating: "x", count: 94) + "\n\n"
        struct Heard: Sendable {
            var whenPaused = 0
            var later = 0
            var waiting = 0
            var total = 0
        }
        let heard: Heard = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            var heard = Heard()
            let reply = TellingReply { outcome in
                heard.total = outcome.pieces.count
                #expect(outcome.result == .complete)
                #expect(outcome.pieces.allSatisfy { $0 == event })
                done(heard)
            }
            reply.onPiece = { outcome in
                guard outcome.pieces.count == 100 else { return }
                world.engine.pause()
                heard.whenPaused = outcome.pieces.count
                _ = environment.schedule(at: environment.now + .milliseconds(300)) {
                    heard.later = reply.outcome.pieces.count
                    heard.waiting = world.server.exchanges[0].waitingByteCount
                    world.engine.resume()
                }
            }
            world.server.respond = { exchange in
                exchange.startEvents()
                for _ in 0..<eventCount { exchange.event(event) }
                exchange.endEvents()
            }
            _ = world.engine.start("{}", reply: reply)
        }
        // What the piece in hand still held came; then nothing, and the server could not go on.
        #expect(heard.later < 400)
        #expect(heard.waiting > 1_000_000)
        #expect(heard.total == eventCount)
    }

    @Test func answerThatIsTooLongFails() async throws {
        for isStreaming in [true, false] {
            let outcome = try await ask(isStreaming: isStreaming, { $0.answerByteCount = 50_000 }) { exchange in
                if isStreaming {
                    exchange.startEvents()
                    exchange.event("data: small\n\n")
                    exchange.event("data: " + String(repeating: "x", count: 60_000))
                } else {
                    exchange.answer(200, String(repeating: "x", count: 60_000))
                }
            }
            guard case .failed(let failure) = outcome.result else {
                Issue.record("no failure")
                return
            }
            #expect(failure.kind == .broken && failure.message.contains("50000"))
            #expect(outcome.pieces == (isStreaming ? ["data: small\n\n"] : []))
        }
    }

    @Test func keyAndPathAreSent() async throws {
        for path in ["", "/", "/v1", "/v1/"] {
            let outcome = try await ask(isStreaming: false, path: path, { $0.apiKey = "k" }) { exchange in
                exchange.answer(200, "\(exchange.path) \(exchange.fields["Authorization"] ?? "-")")
            }
            #expect(outcome.text == "/v1/chat/completions Bearer k")
        }
    }

    @Test func manyAtOnceOverTheSameLoop() async throws {
        let texts: [String] = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            var texts = [String](repeating: "", count: 50)
            var left = texts.count
            world.server.respond = { exchange in
                exchange.startEvents()
                for number in 0..<20 { exchange.event("data: \(exchange.body) \(number)\n\n") }
                exchange.endEvents()
            }
            for index in texts.indices {
                let reply = TellingReply { outcome in
                    texts[index] = outcome.text
                    left -= 1
                    if left == 0 { done(texts) }
                }
                _ = world.engine.start("\(index)", reply: reply)
            }
        }
        for (index, text) in texts.enumerated() {
            #expect(text == (0..<20).map { "data: \(index) \($0)\n\n" }.joined())
        }
    }

    @Test func connectionsAreUsedAgain() async throws {
        let counts: [Int] = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            var finished = 0
            world.server.respond = { $0.answer(200, "{}") }
            func next() {
                let reply = TellingReply { _ in
                    finished += 1
                    if finished < 5 {
                        _ = environment.schedule(at: environment.now) { next() }
                    } else {
                        done([finished, world.server.connectionCount])
                    }
                }
                _ = world.engine.start("{}", isStreaming: false, reply: reply)
            }
            next()
        }
        #expect(counts == [5, 1])
    }

    @Test(
        arguments: [
            (200, #"{"object":"list","data":[{"id":"a"},{"id":"b"},{"no":1}]}"#, ["a", "b"]),
            (200, #"{"data":[]}"#, []),
            (200, #"{"models":[]}"#, nil),
            (200, "hello", nil),
            (503, "loading", nil),
            (404, "", nil),
        ] as [(Int, String, [String]?)])
    func modelsAreListed(status: Int, body: String, names: [String]?) async throws {
        let listed: [String]? = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            world.server.respond = { exchange in
                #expect(exchange.method == .get && exchange.path == "/v1/models")
                exchange.answer(status, body)
            }
            world.engine.listModels { done(try? $0.get()) }
        }
        #expect(listed == names)
    }

    @Test func listHasATimeLimit() async throws {
        let failure: EngineFailure? = try await onLoop { environment, done in
            let world = try World(environment) { $0.listTimeout = .milliseconds(50) }
            world.server.respond = { _ in }
            world.engine.listModels { result in
                if case .failure(let failure) = result { done(failure) } else { done(nil) }
            }
        }
        // Somebody took the connection: slow is not the same as gone.
        #expect(failure?.kind == .broken)
    }

    @Test func shutDownInTheMiddleLeavesNothing() async throws {
        // Shard.stop traps if a handle is left open; the reply must not hear of the end.
        let count: Int = try await onLoop { environment, done in
            let world = try World(environment) { _ in }
            let reply = TellingReply { _ in Issue.record("the reply heard an end") }
            reply.onPiece = { outcome in done(outcome.pieces.count) }
            world.server.respond = { exchange in
                exchange.startEvents()
                exchange.event("data: a\n\n")
            }
            _ = world.engine.start("{}", reply: reply)
        }
        #expect(count == 1)
    }

    @Test(arguments: ["", "ftp://a", "http://", "http:///x", "http://a b", "http://a?b", "a:80", "http://a#b"])
    func addressesThatAreNoneAreRefused(text: String) {
        #expect(HTTPEngineSettings(baseURL: text).endpoint == nil)
    }

    @Test(arguments: [
        ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1", true),
        ("http://localhost/v1/", "http://localhost/v1", true),
        ("https://engine.example/openai", "https://engine.example/openai/v1", false),
        ("http://[::1]:80", "http://[::1]:80/v1", true),
    ])
    func addressesAreCompleted(text: String, endpoint: String, isLoopback: Bool) {
        #expect(HTTPEngineSettings(baseURL: text).endpoint == endpoint)
        #expect(HTTPEngineSettings(baseURL: text).isLoopback == isLoopback)
    }
}
