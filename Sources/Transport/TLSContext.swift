import COpenSSL

/// Settings that sessions are made from: owns one `SSL_CTX`. Sessions keep what they were made from, so a context may go
/// while they live.
final class TLSContext {
    let pointer: OpaquePointer

    /// TLS 1.2 and up, no renegotiation, and no buffers held while a connection is idle.
    init(_ method: OpaquePointer?) throws(TLSError) {
        ERR_clear_error()
        guard let pointer = SSL_CTX_new(method) else {
            throw TLSError(kind: .library, file: nil, reason: takeLibraryReason())
        }
        self.pointer = pointer
        guard trunkline_SSL_CTX_set_min_proto_version(pointer, TLS1_2_VERSION) == 1 else {
            throw TLSError(kind: .library, file: nil, reason: takeLibraryReason())
        }
        SSL_CTX_set_options(pointer, tlsOptionNoRenegotiation)
        trunkline_SSL_CTX_set_mode(pointer, Int(SSL_MODE_RELEASE_BUFFERS))
    }

    deinit { SSL_CTX_free(pointer) }

    /// The only protocol spoken above (RFC 7301).
    static let protocolName: [UInt8] = [8] + Array("http/1.1".utf8)
}

/// `SSL_OP_NO_RENEGOTIATION`: the header builds it from a shift that the importer does not follow.
private let tlsOptionNoRenegotiation = UInt64(1) << 30

/// What a TLS listener shows: a certificate chain and its key, both PEM files.
package final class TLSServerContext {
    private let certificateFile: String
    private let keyFile: String
    private(set) var context: TLSContext

    package init(certificateFile: String, keyFile: String) throws(TLSError) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        context = try Self.load(certificateFile, keyFile)
    }

    /// Reads the files again, for connections that come from now on. When it throws, the old ones stay in use.
    package func reload() throws(TLSError) { context = try Self.load(certificateFile, keyFile) }

    private static func load(_ certificateFile: String, _ keyFile: String) throws(TLSError) -> TLSContext {
        let context = try TLSContext(TLS_server_method())
        let pointer = context.pointer
        guard SSL_CTX_use_certificate_chain_file(pointer, certificateFile) == 1 else {
            throw TLSError(kind: .certificate, file: certificateFile, reason: takeLibraryReason())
        }
        // Refuses a key that does not belong to the certificate.
        guard SSL_CTX_use_PrivateKey_file(pointer, keyFile, SSL_FILETYPE_PEM) == 1 else {
            throw TLSError(kind: .key, file: keyFile, reason: takeLibraryReason())
        }
        // Tickets resume sessions without memory on this side.
        trunkline_SSL_CTX_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_alpn_select_cb(pointer, selectProtocol, nil)
        return context
    }
}

/// Chooses `http/1.1`; a client that offers protocols without it is refused, as RFC 7301 3.2 asks.
private let selectProtocol:
    @convention(c) (
        OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
        UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
    ) -> Int32 = { _, selected, selectedCount, offered, offeredCount, _ in
        guard let selected, let selectedCount, let offered else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let name = TLSContext.protocolName.dropFirst()
        var offset = 0
        while offset < Int(offeredCount) {
            let length = Int(offered[offset])
            let start = offset + 1
            guard start + length <= Int(offeredCount) else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            if length == name.count,
                zip(name, UnsafeBufferPointer(start: offered + start, count: length)).allSatisfy(==)
            {
                // Points into the client's message, which outlives the call.
                selected.pointee = offered + start
                selectedCount.pointee = UInt8(truncatingIfNeeded: length)
                return SSL_TLSEXT_ERR_OK
            }
            offset = start + length
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }

/// What outgoing TLS connections trust.
final class TLSClientContext {
    let context: TLSContext

    /// The system's trust store, and the certificates in `trustFile` (PEM) beside it.
    init(trustFile: String?) throws(TLSError) {
        context = try TLSContext(TLS_client_method())
        let pointer = context.pointer
        guard SSL_CTX_set_default_verify_paths(pointer) == 1 else {
            throw TLSError(kind: .trust, file: nil, reason: takeLibraryReason())
        }
        if let trustFile, SSL_CTX_load_verify_locations(pointer, trustFile, nil) != 1 {
            throw TLSError(kind: .trust, file: trustFile, reason: takeLibraryReason())
        }
        trunkline_SSL_CTX_set_session_cache_mode(pointer, Int(SSL_SESS_CACHE_OFF))
        // This call's success is 0.
        let code = TLSContext.protocolName.withUnsafeBufferPointer {
            SSL_CTX_set_alpn_protos(pointer, $0.baseAddress, UInt32($0.count))
        }
        guard code == 0 else { throw TLSError(kind: .library, file: nil, reason: takeLibraryReason()) }
    }
}

@available(*, unavailable) extension TLSServerContext: Sendable {}
