package import Primitives

/// What a provider had to prove, and what it says as proof.
package struct AttestationEvidence: Sendable {
    package var providerID: String
    package var authAttemptID: String
    /// 32 random bytes, base64url.
    package var challenge: String
    package var providerPublicKey: String
    /// JSON, an object; nil if the provider sent none.
    package var token: String?
}

package enum AttestationVerdict: Equatable, Sendable {
    /// `status` stands in the answer to the provider.
    case accepted(status: String, ramTierAttested: Bool)
    case refused(reason: String)
}

/// Judges a provider's hardware attestation. Called on the loop: it must not block.
package protocol AttestationVerifier: Sendable {
    /// Formats that it understands; told to the provider with the challenge.
    var formats: [String] { get }
    func verdict(on evidence: AttestationEvidence, at time: WallTime) -> AttestationVerdict
}

/// Knows no format of attestation: lets in who claims nothing, unless attestation is required.
package struct NoAttestation: AttestationVerifier {
    package var isRequired: Bool

    package init(isRequired: Bool) { self.isRequired = isRequired }

    package var formats: [String] { [] }

    package func verdict(on evidence: AttestationEvidence, at time: WallTime) -> AttestationVerdict {
        if isRequired { return .refused(reason: "attestation is required, and there is no verifier for it") }
        // Taking a token that nobody has looked at would make it worth something.
        guard evidence.token == nil else { return .refused(reason: "no verifier for an attestation token") }
        return .accepted(status: "not_required", ramTierAttested: false)
    }
}
