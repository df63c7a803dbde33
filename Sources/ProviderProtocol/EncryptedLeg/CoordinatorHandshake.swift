package import Crypto
package import Primitives

/// The coordinator's side of the handshake of version 2, from the challenge to the verdict (docs/protocol.md section 4).
///
///     auth_request initial ─▶ init ─▶ challenge ─▶ auth_request proof ─▶ verdict ─▶ accepted / rejected
///
/// It is all that an attempt costs: nothing is kept elsewhere, so dropping it ends the attempt.
package struct CoordinatorHandshake: ~Copyable {
    /// How long a challenge may be answered.
    package static let lifetime = Duration.seconds(600)
    package static let challengeByteCount = 32

    package let initial: AuthInitial
    /// To be sent as the answer to `initial`.
    package let challenge: AuthChallenge
    private let expiresAt: MonotonicInstant
    private let leg: EncryptedLeg

    /// - Parameter attemptID: unique, `auth-<uuid>`.
    /// - Parameter challenge: ``challengeByteCount`` random bytes.
    package init(
        _ initial: AuthInitial, assignedID: String, attemptID: String, challenge: [UInt8], formats: [String],
        privateKey: consuming X25519PrivateKey, now: MonotonicInstant, wallTime: WallTime
    ) throws(SessionRefusal) {
        do throws(LegError) {
            leg = try EncryptedLeg(
                role: .coordinator, privateKey: privateKey, peerPublicKey: initial.providerPublicKey,
                identity: LegIdentity(providerID: initial.description.providerID, assignedID: assignedID),
                hasChunkEnvelope: initial.capabilities.responseChunkPlaintextEnvelope)
        } catch {
            throw .keyExchangeFailed
        }
        self.initial = initial
        expiresAt = now + Self.lifetime
        self.challenge = AuthChallenge(
            authAttemptID: attemptID, assignedID: assignedID,
            attestationChallenge: withByteView(challenge) { Base64.url.encode($0) }, attestationFormats: formats,
            coordinatorPublicKey: privateKey.publicKeyText, keyID: leg.keyID,
            expiresAt: (wallTime + Self.lifetime).rfc3339)
    }

    package var keyID: String { leg.keyID }

    /// Judges the proof. Asking twice is harmless.
    package borrowing func verdict(
        on proof: AuthProof, _ verifier: any AttestationVerifier, now: MonotonicInstant, wallTime: WallTime
    ) -> Result<AttestationStatus, AuthRejection> {
        guard proof.version == 2 else { return .failure(.malformed(field: "version")) }
        guard proof.authAttemptID == challenge.authAttemptID else { return .failure(.wrongAttempt) }
        guard proof.providerID == initial.description.providerID else { return .failure(.wrongProvider) }
        guard now < expiresAt else { return .failure(.expired) }
        let evidence = AttestationEvidence(
            providerID: proof.providerID, authAttemptID: proof.authAttemptID,
            challenge: challenge.attestationChallenge, providerPublicKey: initial.providerPublicKey,
            token: proof.attestationToken)
        switch verifier.verdict(on: evidence, at: wallTime) {
        case .accepted(let status, let ramTierAttested):
            return .success(AttestationStatus(status: status, ramTierAttested: ramTierAttested))
        case .refused(let reason): return .failure(.attestationRefused(reason: reason))
        }
    }

    /// The provider is in: what was agreed is used from now on.
    package consuming func accepted() -> EncryptedLeg { leg }
}

/// Of an accepted proof.
package struct AttestationStatus: Equatable, Sendable {
    package var status: String
    package var ramTierAttested: Bool
}

/// Why a proof was refused. The provider hears `code` and `message` in an `auth_response`, then ``refusal`` as a Close.
package enum AuthRejection: Error, Equatable, Sendable {
    case wrongAttempt, wrongProvider, expired
    case attestationRefused(reason: String)
    case malformed(field: StaticString)
    /// The provider was let in by the pool when it asked, and is not any more.
    case admission(SessionRefusal)

    package var code: String {
        switch self {
        case .malformed: "invalid_auth_request"
        case .admission(let refusal): String(refusal.reason.prefix { $0 != ":" })
        case .wrongAttempt, .wrongProvider, .expired, .attestationRefused: "tier2_attestation_failed"
        }
    }

    package var message: String {
        switch self {
        case .wrongAttempt: "not the attempt of this connection"
        case .wrongProvider: "not the provider that asked"
        case .expired: "the challenge has expired"
        case .attestationRefused(let reason): reason
        case .malformed(let field): "invalid field: \(field)"
        case .admission(let refusal): refusal.reason
        }
    }

    package var refusal: SessionRefusal {
        switch self {
        case .malformed(let field): .invalidAuthRequest(field: field)
        case .admission(let refusal): refusal
        case .wrongAttempt, .wrongProvider, .expired, .attestationRefused: .attestationFailed
        }
    }

    package static func == (left: AuthRejection, right: AuthRejection) -> Bool {
        left.code == right.code && left.message == right.message && left.refusal == right.refusal
    }
}
