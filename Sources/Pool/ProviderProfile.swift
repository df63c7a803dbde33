package import Primitives

/// What a provider says about itself in its `hello` and, in part, again in every heartbeat (docs/protocol.md 3, 5).
package struct ProviderProfile: Sendable, Equatable {
    package var providerID: String
    package var hostname: String
    package var modelID: String
    package var modelParamsB: Double
    package var ramGB: Double
    package var maxContextTokens: Int
    /// 1...1,024; what lies outside is moved to the nearer end.
    package var maxConcurrency: Int
    package var throughputTPSEstimate: Double
    package var binaryVersion: String
    /// As sent. Never used for routing: an operator's configuration alone decides where requests are forwarded to.
    package var endpointURL: String?

    package init(
        providerID: String, hostname: String, modelID: String, modelParamsB: Double, ramGB: Double,
        maxContextTokens: Int, maxConcurrency: Int, throughputTPSEstimate: Double, binaryVersion: String,
        endpointURL: String? = nil
    ) {
        self.providerID = providerID
        self.hostname = hostname
        self.modelID = modelID
        self.modelParamsB = modelParamsB
        self.ramGB = ramGB
        self.maxContextTokens = maxContextTokens
        self.maxConcurrency = maxConcurrency
        self.throughputTPSEstimate = throughputTPSEstimate
        self.binaryVersion = binaryVersion
        self.endpointURL = endpointURL
    }
}

/// Pinned providers are the operator's own; provisional ones came by themselves and carry less weight.
package enum ProviderTier: UInt8, Sendable, CaseIterable {
    case pinned, provisional

    package var name: StaticString {
        switch self {
        case .pinned: "pinned"
        case .provisional: "provisional"
        }
    }
}

/// The state that operators see and that `state_update` carries (docs/protocol.md 6). Only `ready` is routable.
package enum ProviderState: UInt8, Sendable, CaseIterable {
    case ready, busy, degraded, draining, unavailable

    package var name: StaticString {
        switch self {
        case .ready: "ready"
        case .busy: "busy"
        case .degraded: "degraded"
        case .draining: "draining"
        case .unavailable: "unavailable"
        }
    }

    package init?(_ text: ByteView) {
        guard let match = Self.allCases.first(where: { text == $0.name }) else { return nil }
        self = match
    }
}

/// How requests reach a provider.
package enum InferencePath: UInt8, Sendable {
    case webSocketTunneled
    case httpForwarding
    /// The provider refused tunnelled requests and the configuration names no endpoint: nothing can reach it.
    case httpForwardingOnly

    package var name: StaticString {
        switch self {
        case .webSocketTunneled: "ws_tunneled"
        case .httpForwarding: "http_forwarding"
        case .httpForwardingOnly: "http_forwarding_only"
        }
    }
}

/// Names one admitted session in its pool: two integers, so that the way of a request hashes no text.
///
/// A handle outlives its entry without harm: every call with a stale one does nothing. `public` for the reason that
/// Package.swift gives.
public struct EntryHandle: Hashable, Sendable {
    let index: UInt32
    let generation: UInt32

    /// Smaller than the most entries that the pool has ever held at once; reused. For arrays beside the pool.
    public var slot: Int { Int(index) }
}
