package import Crypto
import Primitives

/// The provider's side of the handshake of version 2 (docs/protocol.md section 4).
///
///     asking ─auth_challenge─▶ proving ─auth_response─▶ over
package struct ProviderHandshake: ~Copyable {
    private enum State: ~Copyable {
        case asking(X25519PrivateKey)
        case proving(EncryptedLeg)
        case over
    }

    /// What a provider of this project can do.
    package static let capabilities = Tier2Capabilities(
        encryptedLeg: true, attestation: false, aeadSuites: [AEADSuite.text], responseChunkPlaintextEnvelope: true,
        inBandAEADRekeyV1: true)

    /// The first message.
    package let initial: AuthInitial
    private var state: State

    package init(
        description: ProviderDescription, privateKey: consuming X25519PrivateKey,
        capabilities: Tier2Capabilities = Self.capabilities
    ) {
        initial = AuthInitial(
            description: description, providerPublicKey: privateKey.publicKeyText, capabilities: capabilities)
        state = .asking(privateKey)
    }

    /// The answer to the coordinator's challenge. Attestation is not offered, so there is no token.
    package mutating func challengeReceived(_ challenge: AuthChallenge) throws(ProviderHandshakeError) -> AuthProof {
        guard case .asking(let privateKey) = takeState() else { throw .unexpected }
        guard challenge.selectedAEADSuite == AEADSuite.text else { throw .keyExchange(.wrongAlgorithm) }
        let leg: EncryptedLeg
        do throws(LegError) {
            leg = try EncryptedLeg(
                role: .provider, privateKey: privateKey, peerPublicKey: challenge.coordinatorPublicKey,
                identity: LegIdentity(
                    providerID: initial.description.providerID, assignedID: challenge.assignedID),
                hasChunkEnvelope: initial.capabilities.responseChunkPlaintextEnvelope)
        } catch {
            throw .keyExchange(error)
        }
        guard leg.keyID == challenge.keyID else { throw .keyExchange(.wrongKeyID) }
        state = .proving(leg)
        return AuthProof(authAttemptID: challenge.authAttemptID, providerID: initial.description.providerID)
    }

    /// The coordinator has accepted: the leg to use from now on.
    package mutating func accepted(_ acceptance: AuthAcceptance) throws(ProviderHandshakeError) -> EncryptedLeg {
        guard case .proving(var leg) = takeState() else { throw .unexpected }
        guard acceptance.assignedID == leg.identity.assignedID else { throw .wrongSession }
        guard acceptance.keyID == leg.keyID else { throw .keyExchange(.wrongKeyID) }
        leg.hasChunkEnvelope = acceptance.responseChunkPlaintextEnvelope
        return leg
    }

    private mutating func takeState() -> State {
        var taken = State.over
        swap(&taken, &state)
        return taken
    }
}

package enum ProviderHandshakeError: Error, Equatable, Sendable {
    /// Not the message that this stage waits for.
    case unexpected
    /// The acceptance names another session than the challenge.
    case wrongSession
    case keyExchange(LegError)
}
