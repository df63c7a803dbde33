import Primitives

/// The proofs of a rekey: the first frame of each direction under the new keys.
extension EncryptedLeg {
    mutating func sealProof(
        _ kind: RekeyProof.Kind, _ content: RekeyProofContent, _ workspace: LegWorkspace, into queue: inout ByteQueue
    ) throws(LegError) {
        workspace.clear()
        content.append(to: &workspace.content)
        var enc = ByteQueue()
        try sealer.seal(&workspace.content, proofAdditionalData(kind, content), into: &enc)
        workspace.clear()
        RekeyProof.append(
            kind, attempt: content.request.attempt, newKeyID: content.response.newKeyID, enc: enc.view, to: &queue)
    }

    mutating func openProof(
        _ kind: RekeyProof.Kind, _ proof: RekeyProof, expecting content: RekeyProofContent, _ workspace: LegWorkspace
    ) throws(RekeyError) {
        guard proof.attempt == content.request.attempt else { throw .wrongAttempt }
        guard proof.newKeyID == content.response.newKeyID else { throw .wrongKeyID }
        guard proof.envelope.seq == 0 else { throw .wrongProof }
        do throws(LegError) {
            try opener.open(proof.envelope, proofAdditionalData(kind, content), into: &workspace.content)
        } catch {
            throw .leg(error)
        }
        var expected = ByteQueue()
        content.append(to: &expected)
        guard workspace.content.view == expected.view else { throw .wrongProof }
    }

    private func proofAdditionalData(_ kind: RekeyProof.Kind, _ content: RekeyProofContent) -> AdditionalData {
        withByteView(Array(content.request.attempt.rekeyID.utf8)) {
            AdditionalData(
                type: kind.name, direction: kind == .commit ? .coordinatorToProvider : .providerToCoordinator,
                requestID: $0, stream: false, identity: identity)
        }
    }
}
