import COpenSSL
import Primitives

/// One `SSL` object between two byte runs: what came from the peer, and what is to go there. Knows no socket.
///
/// OpenSSL reads and writes through a BIO of our own, straight from the shard's read buffer and into ``output``, so an
/// idle session holds no buffer.
final class TLSSession {
    enum Step: Equatable {
        case done(Int)
        /// Everything given so far is used up.
        case needsInput
        /// The peer said close_notify.
        case finished
        case failed(reason: String)
    }

    private let ssl: OpaquePointer
    /// What OpenSSL has made for the peer and nobody has sent yet: handshake, records, key updates, alerts.
    var output = ByteQueue()
    private var input: UnsafePointer<UInt8>?
    private var inputByteCount = 0
    /// OpenSSL forbids further calls on a session after a fatal error.
    private var hasFailed = false

    private init(_ context: TLSContext) throws(TLSError) {
        ERR_clear_error()
        guard let method = bioMethod.pointer, let ssl = SSL_new(context.pointer) else {
            throw TLSError(kind: .library, file: nil, reason: takeLibraryReason())
        }
        self.ssl = ssl
        guard let bio = BIO_new(method) else {
            throw TLSError(kind: .library, file: nil, reason: takeLibraryReason())
        }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        // One reference serves both directions, and the session frees it.
        SSL_set_bio(ssl, bio, bio)
    }

    deinit { SSL_free(ssl) }

    static func server(_ context: TLSContext) throws(TLSError) -> TLSSession {
        let session = try TLSSession(context)
        SSL_set_accept_state(session.ssl)
        return session
    }

    /// `host` is asked for (SNI) and, when `isVerified`, must stand in the certificate.
    static func client(_ context: TLSContext, host: String, isVerified: Bool) throws(TLSError) -> TLSSession {
        let session = try TLSSession(context)
        let ssl = session.ssl
        SSL_set_connect_state(ssl)
        let isAddress = InternetAddress(host: host, port: 0) != nil
        var isSet = true
        if !isAddress { isSet = trunkline_SSL_set_tlsext_host_name(ssl, host) == 1 }
        if isVerified {
            SSL_set_verify(ssl, SSL_VERIFY_PEER, nil)
            if isAddress {
                isSet = isSet && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1
            } else {
                SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
                isSet = isSet && SSL_set1_host(ssl, host) == 1
            }
        } else {
            SSL_set_verify(ssl, SSL_VERIFY_NONE, nil)
        }
        guard isSet else { throw TLSError(kind: .library, file: nil, reason: takeLibraryReason()) }
        return session
    }

    /// Lends `bytes` from the peer to the calls that `body` makes. What those leave over is lost.
    func withInput(_ bytes: ByteView, _ body: () -> Void) {
        input = bytes.base
        inputByteCount = bytes.count
        body()
        input = nil
        inputByteCount = 0
    }

    func handshake() -> Step {
        guard !hasFailed else { return .failed(reason: "failed before") }
        ERR_clear_error()
        let code = SSL_do_handshake(ssl)
        return code == 1 ? .done(0) : step(code)
    }

    /// Decrypts at most `capacity` bytes to `target`: as many whole records as fit.
    func read(into target: UnsafeMutablePointer<UInt8>, capacity: Int) -> Step {
        guard !hasFailed else { return .failed(reason: "failed before") }
        ERR_clear_error()
        var count = 0
        let code = SSL_read_ex(ssl, target, capacity, &count)
        return code == 1 ? .done(count) : step(code)
    }

    /// Encrypts all of `bytes` into ``output``.
    func write(_ bytes: ByteView) -> Step {
        guard !hasFailed else { return .failed(reason: "failed before") }
        ERR_clear_error()
        var count = 0
        let code = SSL_write_ex(ssl, bytes.base, bytes.count, &count)
        // The BIO takes everything, so less than all can only be an error.
        return code == 1 && count == bytes.count ? .done(count) : step(code)
    }

    /// Puts close_notify into ``output``, once.
    func finishWriting() {
        guard !hasFailed, SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN == 0 else { return }
        ERR_clear_error()
        // 0: the peer's close_notify is still to come. Errors are told by reading.
        _ = SSL_shutdown(ssl)
        ERR_clear_error()
    }

    private func step(_ code: Int32) -> Step {
        switch SSL_get_error(ssl, code) {
        case SSL_ERROR_WANT_READ:
            return .needsInput
        case SSL_ERROR_ZERO_RETURN:
            return .finished
        default:
            hasFailed = true
            let verification = SSL_get_verify_result(ssl)
            if verification != X509_V_OK, SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE {
                ERR_clear_error()
                return .failed(
                    reason: "certificate refused: \(String(cString: X509_verify_cert_error_string(verification)))")
            }
            return .failed(reason: takeLibraryReason())
        }
    }

    // MARK: For the BIO

    fileprivate func take(_ target: UnsafeMutableRawPointer, _ capacity: Int) -> Int {
        guard let input, inputByteCount > 0 else { return 0 }
        let count = min(capacity, inputByteCount)
        target.copyMemory(from: input, byteCount: count)
        self.input = input + count
        inputByteCount -= count
        return count
    }
}

/// How OpenSSL reaches a ``TLSSession``: a BIO whose data is the session.
private struct SessionBIOMethod: @unchecked Sendable {
    // Safe to share: filled in here, only read afterwards. Lives as long as the process.
    let pointer: OpaquePointer?

    init() {
        pointer = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "shard")
        guard let pointer else { return }
        BIO_meth_set_create(pointer) { bio in
            BIO_set_init(bio, 1)
            return 1
        }
        BIO_meth_set_write(pointer) { bio, bytes, count in
            guard let session = session(of: bio), let bytes, count > 0 else { return 0 }
            trunkline_BIO_clear_retry_flags(bio)
            session.output.append(ByteView(UnsafeRawBufferPointer(start: bytes, count: Int(count))))
            return count
        }
        BIO_meth_set_read(pointer) { bio, target, capacity in
            guard let session = session(of: bio), let target, capacity > 0 else { return 0 }
            trunkline_BIO_clear_retry_flags(bio)
            let count = session.take(target, Int(capacity))
            if count > 0 { return Int32(truncatingIfNeeded: count) }
            trunkline_BIO_set_retry_read(bio)
            return -1
        }
        BIO_meth_set_ctrl(pointer) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    }
}

private let bioMethod = SessionBIOMethod()

private func session(of bio: OpaquePointer?) -> TLSSession? {
    BIO_get_data(bio).map { Unmanaged<TLSSession>.fromOpaque($0).takeUnretainedValue() }
}
