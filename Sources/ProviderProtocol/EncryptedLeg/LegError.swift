import Crypto

/// Why the encrypted leg did not take, or did not make, a frame (docs/protocol.md section 4).
package enum LegError: Error, Equatable, Sendable {
    /// Not 32 bytes of base64url, or a key that yields no secret.
    case badPublicKey
    /// The other side's key id is not the one that the keys give: it has other keys.
    case wrongKeyID
    case wrongAlgorithm
    case replayed
    /// More than ``ReplayWindow/width`` ahead of the oldest frame that is missing.
    case tooFarAhead
    /// This direction has used up its numbers.
    case exhausted
    case wrongNonce
    case wrongAdditionalData
    /// Ciphertext or tag are not what base64url and A256GCM make.
    case malformed
    case notAuthentic
    /// Authentic, but not what a frame of its type holds.
    case badContent(MessageError)
    /// OpenSSL failed for a reason of its own.
    case library

    init(_ error: CryptoError) {
        switch error {
        case .badInput, .weakPublicKey: self = .badPublicKey
        case .library: self = .library
        }
    }

    /// For the log.
    package var name: StaticString {
        switch self {
        case .badPublicKey: "bad_public_key"
        case .wrongKeyID: "wrong_key_id"
        case .wrongAlgorithm: "wrong_algorithm"
        case .replayed: "replayed"
        case .tooFarAhead: "too_far_ahead"
        case .exhausted: "exhausted"
        case .wrongNonce: "wrong_nonce"
        case .wrongAdditionalData: "wrong_aad"
        case .malformed: "malformed"
        case .notAuthentic: "not_authentic"
        case .badContent: "bad_content"
        case .library: "library"
        }
    }
}
