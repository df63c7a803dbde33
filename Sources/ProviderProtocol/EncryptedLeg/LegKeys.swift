package import Crypto
import Primitives

/// The keys of one session or of one rekey (docs/protocol.md section 4, "Keys").
///
///     own private, peer public ─X25519─▶ shared ┐
///     names and both publics ─SHA-256─▶ transcript ┴─HKDF─▶ key and nonce base per direction
package struct LegKeys: ~Copyable {
    package let coordinatorToProvider: SecretKey
    package let providerToCoordinator: SecretKey
    package let coordinatorToProviderNonce: [UInt8]
    package let providerToCoordinatorNonce: [UInt8]
    /// `kid`: 16 bytes in base64url.
    package let keyID: String

    static let nonceBaseByteCount = 4
    private static let keyIDByteCount = 16

    /// - Parameter peerPublicKey: as it stands in a message.
    package static func derive(
        role: LegRole, privateKey: borrowing X25519PrivateKey, peerPublicKey: String, identity: LegIdentity
    ) throws(LegError) -> LegKeys {
        guard let peer = withByteView(peerPublicKey, { Base64.url.decode($0) }),
            peer.count == X25519PrivateKey.byteCount
        else { throw .badPublicKey }
        let own = privateKey.publicKey
        let transcript = transcript(
            identity: identity, providerPublicKey: role == .provider ? own : peer,
            coordinatorPublicKey: role == .provider ? peer : own)
        do throws(CryptoError) {
            let shared = try withByteView(peer) { peer throws(CryptoError) in
                try privateKey.sharedSecret(with: peer)
            }
            return try LegKeys(transcript: transcript, shared: shared)
        } catch {
            throw LegError(error)
        }
    }

    init(transcript: [UInt8], shared: borrowing SecretKey) throws(CryptoError) {
        let pseudorandomKey = try withByteView(transcript) { salt throws(CryptoError) in
            try shared.withBytes { shared throws(CryptoError) in
                try HKDF.extract(salt: salt, inputKeyingMaterial: shared)
            }
        }
        let coordinatorToProvider = try HKDF.expand(
            pseudorandomKey, info: ByteView("macprovider/spec008/c2p/aead/v1"), byteCount: AESGCM.keyByteCount)
        let providerToCoordinator = try HKDF.expand(
            pseudorandomKey, info: ByteView("macprovider/spec008/p2c/aead/v1"), byteCount: AESGCM.keyByteCount)
        let coordinatorToProviderNonce = try HKDF.expand(
            pseudorandomKey, info: ByteView("macprovider/spec008/c2p/nonce/v1"), byteCount: Self.nonceBaseByteCount)
        let providerToCoordinatorNonce = try HKDF.expand(
            pseudorandomKey, info: ByteView("macprovider/spec008/p2c/nonce/v1"), byteCount: Self.nonceBaseByteCount)
        self.coordinatorToProvider = coordinatorToProvider
        self.providerToCoordinator = providerToCoordinator
        self.coordinatorToProviderNonce = coordinatorToProviderNonce.withBytes { $0.array }
        self.providerToCoordinatorNonce = providerToCoordinatorNonce.withBytes { $0.array }
        let digest = withByteView(transcript) { SHA256.digest(of: $0) }
        keyID = withByteView(digest) { Base64.url.encode($0.prefix(Self.keyIDByteCount)) }
    }

    /// The fields one after the other. Nothing separates them: both keys have a fixed length, and so has an assigned id.
    private static func transcript(
        identity: LegIdentity, providerPublicKey: [UInt8], coordinatorPublicKey: [UInt8]
    ) -> [UInt8] {
        var text = ByteQueue()
        text.append("macprovider/spec008/pillar-b/transcript/v1")
        text.append(identity.providerID)
        text.append(identity.assignedID)
        text.append(providerPublicKey)
        text.append(coordinatorPublicKey)
        text.append(AEADSuite.name)
        return SHA256.digest(of: text.view)
    }
}

extension X25519PrivateKey {
    /// As it stands in messages.
    package var publicKeyText: String { withByteView(publicKey) { Base64.url.encode($0) } }
}
