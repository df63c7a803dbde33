import Environment
import HTTPCodec
import Pool
import Primitives

/// What a buyer asked of the router in header fields (docs/protocol.md, section 8). Owned, since a request may be
/// routed again long after its head is gone.
package struct RouteWish: Sendable {
    enum Target: Sendable {
        case any
        case session(UniqueID?)
        case provider(String)
    }

    var target: Target
    var preference: RoutePreference?

    init(_ head: RequestHead) throws(APIError) {
        if let session = head.field("X-MacProvider-Session") {
            target = .session(withByteView(session) { UniqueID($0) })
        } else if let provider = head.field("X-MacProvider-Provider") {
            target = .provider(provider)
        } else {
            target = .any
        }
        guard let name = head.field("X-MacProvider-Pref") else { return }
        preference = withByteView(name) { RoutePreference($0) }
        guard preference != nil else {
            throw .invalidRequest(
                "The header X-MacProvider-Pref must be fast or accurate.", parameter: "X-MacProvider-Pref")
        }
    }
}

extension Coordinator {
    func route(_ chat: ChatRequest, _ wish: RouteWish, excluding tried: [EntryHandle]) -> Result<
        EntryHandle, RouteFailure
    > {
        withByteView(chat.model) { model in
            func route(_ target: RouteTarget) -> Result<EntryHandle, RouteFailure> {
                let query = RouteQuery(
                    model: model, estimatedTokens: chat.estimatedTokens, target: target, preference: wish.preference,
                    excluding: tried)
                return pool.route(query, now: environment.now)
            }
            switch wish.target {
            case .any: return route(.any)
            case .session(let id): return route(.session(id))
            case .provider(let name): return withByteView(name) { route(.provider($0)) }
            }
        }
    }
}

extension APIError {
    init(_ failure: RouteFailure, model: String) {
        switch failure {
        case .modelNotFound:
            self.init(
                404, .invalidRequest, "model_not_found", "The model '\(model)' is not offered by any provider here.",
                parameter: "model")
        case .noProviderAvailable: self = .noProvider
        case .sessionEnded:
            self = .unavailable("session_ended", "The provider session in X-MacProvider-Session has ended.")
        case .targetCannotServe:
            self = .unavailable(
                "no_provider_available", "The provider that was asked for cannot serve this request now.",
                retryAfterSeconds: 1)
        case .quotaExceeded(let seconds):
            self.init(
                429, .rateLimit, "provisional_quota_exceeded",
                "Every provider of this model has used its hourly quota.", retryAfterSeconds: seconds)
        }
    }
}
