package import Crypto
package import Primitives

/// The provider's side of a rekey in band (docs/protocol.md section 4, "Rekey"): made by an `aead_rekey_request`, over
/// with the `aead_rekey_commit` that must follow before ``deadline``.
package struct ProviderRekey: ~Copyable {
    /// To be sent first.
    package let response: RekeyResponse
    package let deadline: MonotonicInstant
    private var leg: EncryptedLeg
    private let content: RekeyProofContent

    package init(
        _ request: RekeyRequest, replacing old: borrowing EncryptedLeg, privateKey: consuming X25519PrivateKey,
        timeout: Duration, now: MonotonicInstant
    ) throws(RekeyError) {
        guard request.attempt.assignedID == old.identity.assignedID, request.attempt.oldKeyID == old.keyID else {
            throw .wrongAttempt
        }
        guard request.selectedAEAD == AEADSuite.text else { throw .leg(.wrongAlgorithm) }
        do throws(LegError) {
            leg = try EncryptedLeg(
                role: .provider, privateKey: privateKey, peerPublicKey: request.coordinatorPublicKey,
                identity: old.identity, hasChunkEnvelope: request.responseChunkPlaintextEnvelope)
        } catch {
            throw .leg(error)
        }
        response = RekeyResponse(
            attempt: request.attempt, newKeyID: leg.keyID, providerPublicKey: privateKey.publicKeyText)
        content = RekeyProofContent(request: request, response: response, providerID: old.identity.providerID)
        deadline = now + timeout
    }

    /// Appends `aead_rekey_committed` and gives the leg to use from now on; both directions go on with 1.
    package consuming func commitReceived(
        _ proof: RekeyProof, now: MonotonicInstant, _ workspace: LegWorkspace, into queue: inout ByteQueue
    ) throws(RekeyError) -> EncryptedLeg {
        guard now < deadline else { throw .expired }
        try leg.openProof(.commit, proof, expecting: content, workspace)
        do throws(LegError) { try leg.sealProof(.committed, content, workspace, into: &queue) } catch {
            throw .leg(error)
        }
        return leg
    }
}
