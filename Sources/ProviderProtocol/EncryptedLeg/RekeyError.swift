/// Why a rekey failed; the session ends by it (docs/protocol.md section 4, "Rekey").
package enum RekeyError: Error, Equatable, Sendable {
    /// Not the message that this stage waits for.
    case unexpected
    /// It names another rekey, session or key.
    case wrongAttempt
    /// The new key id is not the one that the new keys give, or is the old one.
    case wrongKeyID
    case expired
    /// The proof is not the one that both sides must make.
    case wrongProof
    case leg(LegError)

    /// For the log.
    package var name: StaticString {
        switch self {
        case .unexpected: "unexpected"
        case .wrongAttempt: "wrong_attempt"
        case .wrongKeyID: "wrong_key_id"
        case .expired: "expired"
        case .wrongProof: "wrong_proof"
        case .leg(let error): error.name
        }
    }
}
