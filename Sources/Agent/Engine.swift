package import Primitives

/// What generates the answers: a server on this machine or beside it, or the built-in demo.
///
///       AgentSession            Engine                       server / demo
///       start(request, reply) ─────────▶ ───────────────────▶
///                             ◀───────── reply.engineProduced ◀─ an SSE event, or the JSON body
///       pause() / resume()    ─────────▶ stops and goes on reading
///                             ◀───────── reply.engineFinished   exactly once, unless cancelled
///
/// All calls come and go on the loop that owns the agent. An engine calls a reply never inside ``start(_:reply:)``,
/// ``cancel(_:)``, ``pause()`` or ``listModels(_:)``, and at most one reply at a time.
package protocol Engine: AnyObject {
    /// Begins one request.
    func start(_ request: EngineRequest, reply: any EngineReply) -> EngineRequestID
    /// Aborts the request; its reply hears nothing more. Harmless for a request that has finished.
    func cancel(_ id: EngineRequestID)
    /// Produces nothing until ``resume()``: the way to the coordinator is full. Repeated calls are harmless.
    func pause()
    func resume()
    /// Asks which models can be used now; also the sign of life. `completion` is called once.
    func listModels(_ completion: @escaping (Result<[String], EngineFailure>) -> Void)
    /// Aborts everything and gives back what the engine holds; no reply or completion is called afterwards.
    func shutDown()
}

/// Names one request to an engine; never reused within that engine.
package struct EngineRequestID: Hashable, Sendable {
    package var number: UInt64
    package init(number: UInt64) { self.number = number }
}

/// A buyer's request as it came. The view is gone when ``Engine/start(_:reply:)`` returns.
package struct EngineRequest {
    /// The JSON body for `POST /v1/chat/completions`, byte for byte.
    package var body: ByteView
    /// Whether the answer is wanted as server-sent events.
    package var isStreaming: Bool

    package init(body: ByteView, isStreaming: Bool) {
        self.body = body
        self.isStreaming = isStreaming
    }
}

/// Hears one request's answer.
package protocol EngineReply: AnyObject {
    /// Streaming: one whole SSE event with its blank line. Otherwise, once: the whole JSON body. The view is gone when
    /// the call returns. The reply may cancel its own or another request here.
    func engineProduced(_ data: ByteView)
    /// The last call.
    func engineFinished(_ result: EngineResult)
}

package enum EngineResult: Equatable, Sendable {
    case complete
    case failed(EngineFailure)
}

/// Why an engine did not answer, or not to the end.
package struct EngineFailure: Error, Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// No connection: nobody listens, the name is unknown, the connect time passed.
        case unreachable
        /// The engine does not have the model (404).
        case modelNotLoaded
        /// Prompt and answer do not fit the model's context.
        case contextExceeded
        /// The engine has no room now (429, 503).
        case queueFull
        /// The engine refused the request as malformed (another 4xx).
        case refused
        /// Everything else: 5xx, an answer that broke off, an answer too long to carry.
        case broken
    }

    package var kind: Kind
    /// For logs and the coordinator's log; never shown to a buyer. At most ``messageByteCount`` bytes.
    package var message: String
    /// The HTTP status, where the engine answered with one.
    package var status: Int?

    package static let messageByteCount = 512

    package init(_ kind: Kind, _ message: String, status: Int? = nil) {
        self.kind = kind
        self.status = status
        self.message = message.utf8.count > Self.messageByteCount ? String(message.prefix(128)) : message
    }
}
