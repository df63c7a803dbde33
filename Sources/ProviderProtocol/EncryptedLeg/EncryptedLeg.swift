package import Crypto

/// One end of an encrypted leg: the keys of both directions and what has been sent and seen under them. A rekey makes a
/// new one.
///
///     coordinator                                     provider
///     seal(request)  ── inference_request ─────────▶  openRequest
///     openChunk      ◀─ inference_response_chunk ───  seal(chunk)
///     openEnd        ◀─ inference_response_end ─────  seal(end)
package struct EncryptedLeg: ~Copyable {
    package let role: LegRole
    package let identity: LegIdentity
    /// `kid` of both directions.
    package let keyID: String
    /// Chunks carry their `seq` inside (the capability `response_chunk_plaintext_envelope`); else they are bare data.
    package var hasChunkEnvelope: Bool
    package internal(set) var sealer: FrameSealer
    package internal(set) var opener: FrameOpener

    /// The other end, with its own private key and this end's public one, comes to the same keys.
    package init(
        role: LegRole, privateKey: borrowing X25519PrivateKey, peerPublicKey: String, identity: LegIdentity,
        hasChunkEnvelope: Bool
    ) throws(LegError) {
        let keys = try LegKeys.derive(
            role: role, privateKey: privateKey, peerPublicKey: peerPublicKey, identity: identity)
        try self.init(role: role, keys: keys, identity: identity, hasChunkEnvelope: hasChunkEnvelope)
    }

    init(
        role: LegRole, keys: borrowing LegKeys, identity: LegIdentity, hasChunkEnvelope: Bool
    ) throws(LegError) {
        let sealer: FrameSealer
        let opener: FrameOpener
        switch role {
        case .coordinator:
            sealer = try FrameSealer(
                key: keys.coordinatorToProvider, nonceBase: keys.coordinatorToProviderNonce, keyID: keys.keyID)
            opener = try FrameOpener(
                key: keys.providerToCoordinator, nonceBase: keys.providerToCoordinatorNonce, keyID: keys.keyID)
        case .provider:
            sealer = try FrameSealer(
                key: keys.providerToCoordinator, nonceBase: keys.providerToCoordinatorNonce, keyID: keys.keyID)
            opener = try FrameOpener(
                key: keys.coordinatorToProvider, nonceBase: keys.coordinatorToProviderNonce, keyID: keys.keyID)
        }
        self.sealer = sealer
        self.opener = opener
        self.role = role
        self.identity = identity
        self.hasChunkEnvelope = hasChunkEnvelope
        keyID = keys.keyID
    }

    /// Most bytes of a frame that seals `contentByteCount` bytes, with the message around it. Asked before sealing:
    /// a frame that turns out too long afterwards would have used up its number.
    package static func frameByteCount(contentByteCount: Int) -> Int {
        contentByteCount / 3 * 4 + frameOverheadByteCount
    }

    /// Identities, additional data in base64, nonce, tag, kid and keys.
    private static let frameOverheadByteCount = 1024
}
