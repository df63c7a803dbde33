import COpenSSL

/// Why TLS cannot be offered; the text names the file at fault.
package struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable { case certificate, key, trust, library }

    package let kind: Kind
    /// The file at fault, if it is one.
    package let file: String?
    package let reason: String

    package var description: String {
        let subject =
            switch kind {
            case .certificate: "certificate"
            case .key: "private key"
            case .trust: "trusted certificates"
            case .library: "TLS library"
            }
        return file.map { "\(subject) \($0): \(reason)" } ?? "\(subject): \(reason)"
    }
}

/// Takes everything from OpenSSL's error queue of this thread and gives the text of the first entry, the root.
func takeLibraryReason() -> String {
    var reason: String?
    while true {
        let code = ERR_get_error()
        if code == 0 { break }
        guard reason == nil else { continue }
        let system = trunkline_ERR_system_error(code)
        if system != 0 {
            reason = systemMessage(-system)
        } else if let text = ERR_reason_error_string(code) {
            reason = String(cString: text)
        }
    }
    return reason ?? "unknown error"
}
