package import Primitives

/// `X-MacProvider-Pref`, or the policy when it is absent (docs/protocol.md 8).
package enum RoutePreference: UInt8, Sendable, CaseIterable {
    /// Fewest free slots first, then weighted throughput.
    case pack
    /// Weighted throughput, then fewest free slots.
    case fast
    /// Largest model, then fewest free slots.
    case accurate

    package var name: StaticString {
        switch self {
        case .pack: "pack"
        case .fast: "fast"
        case .accurate: "accurate"
        }
    }

    package init?(_ text: ByteView) {
        guard let match = Self.allCases.first(where: { text.equalsIgnoringCase(ByteView($0.name)) }) else { return nil }
        self = match
    }
}

/// Whom a buyer insists on.
package enum RouteTarget {
    case any
    /// `X-MacProvider-Session`, the `assigned_id`; nil when the header's text is no id, and so names nobody.
    case session(UniqueID?)
    /// `X-MacProvider-Provider`, the `provider_id`.
    case provider(ByteView)
}

/// One request's question to the router. Borrowed: valid during the call.
package struct RouteQuery {
    package var model: ByteView
    /// Estimate of the prompt; providers with a smaller window are passed over.
    package var estimatedTokens: Int
    package var target: RouteTarget
    /// nil: the policy of the settings.
    package var preference: RoutePreference?
    /// Those that were tried already. An empty array costs nothing.
    package var excluding: [EntryHandle]

    package init(
        model: ByteView, estimatedTokens: Int, target: RouteTarget = .any, preference: RoutePreference? = nil,
        excluding: [EntryHandle] = []
    ) {
        self.model = model
        self.estimatedTokens = estimatedTokens
        self.target = target
        self.preference = preference
        self.excluding = excluding
    }
}

package enum RouteFailure: Error, Equatable, Sendable {
    /// 404 `model_not_found`: nobody has offered the model since the process began, or the target offers another one.
    case modelNotFound
    /// 503 `no_provider_available`
    case noProviderAvailable
    /// 503 `session_ended`
    case sessionEnded
    /// 503: the provider that the buyer insists on is not there, or cannot serve now.
    case targetCannotServe
    /// 429 `provisional_quota_exceeded` with `Retry-After`, 1...120 seconds: beyond that OpenAI's client does not
    /// retry.
    case quotaExceeded(retryAfterSeconds: Int)
}
