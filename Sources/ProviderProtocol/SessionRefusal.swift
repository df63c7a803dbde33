package import WebSocketCodec

/// Why the coordinator closes a provider's session: the code and the reason that stand in the Close frame
/// (docs/protocol.md section 2.3).
package enum SessionRefusal: Error, Sendable {
    /// The first message is no JSON.
    case unreadable
    case unrecognizedAuthMessage
    case invalidHello(field: StaticString)
    case invalidAuthRequest(field: StaticString)
    case noCommonAEADSuite
    case tierUnsupported(tier: Int)
    case versionUnsupported(version: Int)
    case binaryVersionUnsupported(version: String, required: String)
    case invalidToken
    case provisionalPoolFull(maximum: Int)
    case provisionalRateLimited(maximumPerHour: Int)
    case banned(providerID: String)
    case attestationFailed
    case keyExchangeFailed
    case encryptedLegRequired
    case poolFull
    case replaced

    package var closeCode: CloseCode {
        switch self {
        case .unreadable: .protocolError
        case .unrecognizedAuthMessage: .unrecognizedAuthMessage
        case .invalidHello, .invalidAuthRequest, .noCommonAEADSuite: .invalidHello
        case .tierUnsupported: .tierUnsupported
        case .versionUnsupported, .binaryVersionUnsupported: .versionUnsupported
        case .invalidToken: .invalidToken
        case .provisionalPoolFull: .provisionalPoolFull
        case .provisionalRateLimited: .provisionalRateLimited
        case .banned: .banned
        case .attestationFailed: .attestationFailed
        case .keyExchangeFailed, .encryptedLegRequired: .keyExchangeFailed
        case .poolFull: .poolFull
        case .replaced: .policyViolation
        }
    }

    /// Whole; the writer cuts it to the 123 bytes that a Close frame holds.
    package var reason: String {
        switch self {
        case .unreadable: "invalid JSON"
        case .unrecognizedAuthMessage: "unrecognized auth message"
        case .invalidHello(let field): "invalid_hello: \(field)"
        case .invalidAuthRequest(let field): "invalid_auth_request: \(field)"
        case .noCommonAEADSuite: "no_common_aead_suite"
        case .tierUnsupported(let tier): "tier_unsupported: tier \(tier) not supported"
        case .versionUnsupported(let version): "version_unsupported: protocol version \(version)"
        case .binaryVersionUnsupported(let version, let required):
            "version_unsupported: binary_version \(version) below required \(required)"
        case .invalidToken: "invalid_token"
        case .provisionalPoolFull(let maximum): "provisional_pool_full: max \(maximum) provisional providers reached"
        case .provisionalRateLimited(let maximum): "provisional_rate_limited: max \(maximum) admissions per hour"
        case .banned(let providerID): "banned: provider \(providerID) has been rejected by operator"
        case .attestationFailed: "tier2_attestation_failed"
        case .keyExchangeFailed: "tier2_key_exchange_failed"
        case .encryptedLegRequired: "tier2_encrypted_leg_required"
        case .poolFull: "pool_full"
        case .replaced: "replaced by a newer session"
        }
    }
}

extension SessionRefusal: Equatable {
    package static func == (left: SessionRefusal, right: SessionRefusal) -> Bool {
        left.closeCode == right.closeCode && left.reason == right.reason
    }
}
