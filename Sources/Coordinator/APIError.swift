import JSON
package import Primitives

/// What a buyer or an operator is told when a request fails: an HTTP status and the error object that OpenAI's
/// clients know (docs/protocol.md, section 9).
package struct APIError: Error, Equatable, Sendable {
    package enum Kind: String, Sendable {
        case invalidRequest = "invalid_request_error"
        case unavailable = "service_unavailable"
        case upstream = "upstream_error"
        case server = "server_error"
        case rateLimit = "rate_limit_error"
        case authentication = "authentication_error"
    }

    package var status: Int
    package var kind: Kind
    package var code: String
    package var message: String
    /// The field at fault, where there is one.
    package var parameter: String?
    /// Seconds; at most 120, since the official SDK does not retry beyond that.
    package var retryAfterSeconds: Int?

    package init(
        _ status: Int, _ kind: Kind, _ code: String, _ message: String, parameter: String? = nil,
        retryAfterSeconds: Int? = nil
    ) {
        self.status = status
        self.kind = kind
        self.code = code
        self.message = message
        self.parameter = parameter
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// `{"error":{"message":…,"type":…,"param":…,"code":…}}`
    package func appendBody(to queue: inout ByteQueue) {
        queue.append("{\"error\":{\"message\":")
        withByteView(message) { appendJSONString($0, to: &queue) }
        queue.append(",\"type\":\"")
        queue.append(kind.rawValue)
        queue.append("\",\"param\":")
        if let parameter {
            withByteView(parameter) { appendJSONString($0, to: &queue) }
        } else {
            queue.append("null")
        }
        queue.append(",\"code\":")
        withByteView(code) { appendJSONString($0, to: &queue) }
        queue.append("}}")
    }
}

extension APIError {
    static func invalidRequest(_ message: String, parameter: String? = nil, code: String = "invalid_request")
        -> APIError
    {
        APIError(400, .invalidRequest, code, message, parameter: parameter)
    }

    static func unavailable(_ code: String, _ message: String, retryAfterSeconds: Int? = nil) -> APIError {
        APIError(503, .unavailable, code, message, retryAfterSeconds: retryAfterSeconds)
    }

    static let providerFailed = APIError(
        502, .upstream, "provider_failed", "The provider disconnected before it answered. Try again.")
    static let providerError = APIError(502, .upstream, "provider_error", "The provider failed to answer. Try again.")
    static let providerTimeout = APIError(
        504, .upstream, "provider_timeout", "The provider did not answer in time. Try again.")
    static let modelNotLoaded = APIError(
        503, .unavailable, "provider_error", "The provider has not loaded this model. Try again.")
    static let contextExceeded = APIError(
        413, .invalidRequest, "context_length_exceeded", "The prompt is longer than the provider's context window.")
    static let requestTooLarge = APIError(
        413, .invalidRequest, "request_too_large", "The request body is larger than a provider can be sent.")
    static let noProvider = APIError.unavailable(
        "no_provider_available", "No provider is free for this model right now. Try again.", retryAfterSeconds: 1)
    static let allBusy = APIError.unavailable(
        "no_provider_available", "Every provider of this model is busy. Try again.", retryAfterSeconds: 1)
    static let preflightRejected = APIError.unavailable(
        "preflight_rejected", "No provider of this model can take a prompt of this length right now.",
        retryAfterSeconds: 5)
    static let backpressure = APIError.unavailable(
        "backpressure", "The provider's link is congested right now. Try again.", retryAfterSeconds: 1)
    static let tooManyBodies = APIError.unavailable(
        "overloaded", "Too many request bodies are held right now.", retryAfterSeconds: 1)
    static let shuttingDown = APIError.unavailable(
        "shutting_down", "This coordinator is shutting down. Try again.", retryAfterSeconds: 1)
    static let notFound = APIError(404, .invalidRequest, "not_found", "There is nothing at this path.")

    static func methodNotAllowed(_ allowed: String) -> APIError {
        APIError(405, .invalidRequest, "method_not_allowed", "This path takes \(allowed).")
    }
}
