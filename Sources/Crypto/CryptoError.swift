import COpenSSL

/// Why a cryptographic operation gave nothing. It says no more than that: details would help whoever tries keys.
package enum CryptoError: Error, Equatable, Sendable {
    /// A key, a nonce or a length is not of the form that the algorithm takes.
    case badInput
    /// The other side's public key leads to the shared secret that everybody knows (RFC 7748 section 6.1).
    case weakPublicKey
    /// OpenSSL failed for a reason of its own, such as want of memory.
    case library
}

/// OpenSSL keeps a queue of errors per thread; what is left there would be taken for the cause of a later failure in
/// TLS.
func libraryFailure() -> CryptoError {
    ERR_clear_error()
    return .library
}
