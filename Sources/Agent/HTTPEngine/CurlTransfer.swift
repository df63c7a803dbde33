import CCurl
import Primitives

/// One HTTP exchange over libcurl: request out, body in, piece by piece.
final class CurlTransfer {
    /// Hears one exchange. Not called after the transfer was removed.
    protocol Receiver: AnyObject {
        /// A piece of the body, with the response's status.
        func received(_ bytes: ByteView, status: Int) -> Verdict
        /// The last call: libcurl's result and, when a response began, its status.
        func finished(_ ending: Ending)
    }

    enum Verdict {
        case goOn
        /// Not now: the same piece comes again after ``CurlMulti/unpause(_:)``.
        case pause
        /// Enough: the exchange ends with ``Ending/stopped``.
        case stop
    }

    enum Ending: Equatable {
        /// The whole response has come.
        case complete(status: Int)
        case stopped
        /// Nobody answered at the other end.
        case unreachable(String)
        /// The exchange broke off.
        case broken(String)
    }

    let easy: UnsafeMutableRawPointer
    var isStillborn = false
    private let receiver: any Receiver
    private var fields: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>
    private var status = 0

    /// Nil when libcurl has no memory or does not take the URL. `body` nil: a GET. `receiver` is kept as long as
    /// the transfer; it must not hold the transfer in turn.
    init?(
        url: String, fields: [String], body: ByteView?, connectTimeout: Duration, timeout: Duration?,
        ignoresProxies: Bool, receiver: any Receiver
    ) {
        guard let easy = curl_easy_init() else { return nil }
        self.easy = easy
        self.receiver = receiver
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        for field in fields {
            guard let longer = curl_slist_append(self.fields, field) else { return nil }
            self.fields = longer
        }
        let context = Unmanaged.passUnretained(self).toOpaque()
        var codes = [
            ccurl_easy_set_string(easy, CURLOPT_URL, url),
            ccurl_easy_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https"),
            ccurl_easy_set_long(easy, CURLOPT_NOSIGNAL, 1),
            ccurl_easy_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(connectTimeout.inMilliseconds)),
            ccurl_easy_set_long(easy, CURLOPT_TIMEOUT_MS, Int(timeout?.inMilliseconds ?? 0)),
            ccurl_easy_set_pointer(easy, CURLOPT_HTTPHEADER, self.fields),
            ccurl_easy_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText),
            ccurl_easy_set_pointer(easy, CURLOPT_PRIVATE, context),
            ccurl_easy_set_write_function(
                easy,
                { bytes, size, count, context in
                    guard let bytes, let context else { return 0 }
                    return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                        .received(UnsafeRawPointer(bytes), size &* count)
                }, context),
        ]
        if ignoresProxies { codes.append(ccurl_easy_set_string(easy, CURLOPT_NOPROXY, "*")) }
        if let body {
            codes.append(ccurl_easy_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count)))
            codes.append(ccurl_easy_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, body.base))
        }
        guard codes.allSatisfy({ $0 == CURLE_OK }) else { return nil }
    }

    deinit {
        curl_easy_cleanup(easy)
        curl_slist_free_all(fields)
        errorText.deallocate()
    }

    private func received(_ bytes: UnsafeRawPointer, _ length: Int) -> Int {
        let view = ByteView(base: bytes.assumingMemoryBound(to: UInt8.self), count: length)
        return switch receiver.received(view, status: currentStatus) {
        case .goOn: length
        case .pause: Int(CURL_WRITEFUNC_PAUSE)
        // Anything but the length ends the transfer, whatever the length is.
        case .stop: length == 0 ? 1 : 0
        }
    }

    private var currentStatus: Int {
        if status == 0 { _ = ccurl_easy_get_long(easy, CURLINFO_RESPONSE_CODE, &status) }
        return status
    }

    /// Whether the request could be sent, over a new connection or an old one.
    private var hasConnected: Bool {
        var microseconds: curl_off_t = 0
        return ccurl_easy_get_offset(easy, CURLINFO_PRETRANSFER_TIME_T, &microseconds) == CURLE_OK && microseconds > 0
    }

    func finished(_ code: CURLcode) {
        let text = errorText.pointee == 0 ? String(cString: curl_easy_strerror(code)) : String(cString: errorText)
        switch code {
        case CURLE_OK:
            receiver.finished(.complete(status: currentStatus))
        case CURLE_WRITE_ERROR:
            receiver.finished(.stopped)
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_SSL_CONNECT_ERROR,
            CURLE_PEER_FAILED_VERIFICATION:
            receiver.finished(.unreachable(text))
        case CURLE_OPERATION_TIMEDOUT where !hasConnected:
            receiver.finished(.unreachable(text))
        default:
            receiver.finished(.broken(text))
        }
    }
}
