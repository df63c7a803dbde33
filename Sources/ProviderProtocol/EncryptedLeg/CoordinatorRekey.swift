package import Crypto
package import Primitives

/// The coordinator's side of a rekey in band (docs/protocol.md section 4, "Rekey").
///
///     requested ─aead_rekey_response─▶ committing ─aead_rekey_committed─▶ over
///
/// Whatever is out of place makes it fail, and the session with it. So does ``deadline``, which the owner watches.
package struct CoordinatorRekey: ~Copyable {
    private enum State: ~Copyable {
        case requested(X25519PrivateKey)
        case committing(EncryptedLeg, RekeyProofContent)
        case over
    }

    /// To be sent first.
    package let request: RekeyRequest
    package let deadline: MonotonicInstant
    private let identity: LegIdentity
    private var state: State

    package init(
        rekeyID: String, replacing leg: borrowing EncryptedLeg, reason: RekeyRequest.Reason,
        privateKey: consuming X25519PrivateKey, timeout: Duration, now: MonotonicInstant, wallTime: WallTime
    ) {
        identity = leg.identity
        deadline = now + timeout
        request = RekeyRequest(
            attempt: RekeyAttempt(rekeyID: rekeyID, assignedID: leg.identity.assignedID, oldKeyID: leg.keyID),
            reason: reason, coordinatorPublicKey: privateKey.publicKeyText, selectedAEAD: AEADSuite.text,
            expiresAt: (wallTime + timeout).rfc3339, responseChunkPlaintextEnvelope: leg.hasChunkEnvelope)
        state = .requested(privateKey)
    }

    /// Appends `aead_rekey_commit`.
    package mutating func responseReceived(
        _ response: RekeyResponse, now: MonotonicInstant, _ workspace: LegWorkspace, into queue: inout ByteQueue
    ) throws(RekeyError) {
        guard case .requested(let privateKey) = takeState() else { throw .unexpected }
        guard response.attempt == request.attempt else { throw .wrongAttempt }
        guard now < deadline else { throw .expired }
        var leg: EncryptedLeg
        let content = RekeyProofContent(request: request, response: response, providerID: identity.providerID)
        do throws(LegError) {
            leg = try EncryptedLeg(
                role: .coordinator, privateKey: privateKey, peerPublicKey: response.providerPublicKey,
                identity: identity, hasChunkEnvelope: request.responseChunkPlaintextEnvelope)
        } catch {
            throw .leg(error)
        }
        guard response.newKeyID == leg.keyID, leg.keyID != request.attempt.oldKeyID else { throw .wrongKeyID }
        do throws(LegError) { try leg.sealProof(.commit, content, workspace, into: &queue) } catch {
            throw .leg(error)
        }
        state = .committing(leg, content)
    }

    /// The leg to use from now on; both directions go on with 1.
    package mutating func committedReceived(
        _ proof: RekeyProof, now: MonotonicInstant, _ workspace: LegWorkspace
    ) throws(RekeyError) -> EncryptedLeg {
        guard case .committing(var leg, let content) = takeState() else { throw .unexpected }
        guard now < deadline else { throw .expired }
        try leg.openProof(.committed, proof, expecting: content, workspace)
        return leg
    }

    private mutating func takeState() -> State {
        var taken = State.over
        swap(&taken, &state)
        return taken
    }
}
