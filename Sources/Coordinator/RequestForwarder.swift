package import Primitives

/// Reaches pinned providers over HTTP instead of through their WebSocket (docs/protocol.md, section 6). The core
/// decides who is asked; whoever drives the core brings the HTTP client.
///
/// All calls come and go on the core's loop. A reply is never called inside ``forward(_:reply:)`` or ``cancel(_:)``.
package protocol RequestForwarder: AnyObject {
    /// Begins `POST` of the body to the chat completions of `request.endpoint`.
    func forward(_ request: ForwardedRequest, reply: any ForwardReply) -> ForwardID
    /// Aborts it; its reply hears nothing more. Harmless for one that has finished.
    func cancel(_ id: ForwardID)
}

/// Names one forwarded request; never reused.
package struct ForwardID: Hashable, Sendable {
    package var number: UInt64
    package init(number: UInt64) { self.number = number }
}

/// Borrowed: valid during the call that hands it over.
package struct ForwardedRequest {
    /// The provider's `endpoint_url`.
    package var endpoint: String
    package var body: ByteView
    package var isStreaming: Bool
}

/// Hears the answer to one forwarded request.
package protocol ForwardReply: AnyObject {
    /// Streaming: one whole event with its blank line. Otherwise, once: the whole JSON body.
    func forwardProduced(_ data: ByteView)
    /// The last call.
    func forwardFinished(_ result: ForwardResult)
}

package enum ForwardResult: Equatable, Sendable {
    case complete
    /// The endpoint answered with an HTTP error.
    case answered(status: Int, isAboutContext: Bool)
    /// It did not answer, or broke off.
    case broken
}

extension ForwardResult {
    /// What the relay makes of it. 530 is how tunnels say that nobody stands behind them.
    var providerResult: RelayMachine.ProviderResult {
        switch self {
        case .complete: .complete
        case .answered(_, isAboutContext: true), .answered(413, _): .fail(.contextExceeded)
        case .answered(404, _): .fail(.modelNotLoaded)
        case .answered(429, _), .answered(503, _): .fail(.queueFull)
        case .answered(504, _): .fail(.endpointTimedOut)
        case .answered(530, _): .fail(.endpointUnreachable)
        case .answered, .broken: .fail(.internalError)
        }
    }
}
