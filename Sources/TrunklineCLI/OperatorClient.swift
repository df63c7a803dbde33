import CCurl
import JSON
import Primitives

/// Asks a coordinator's operator endpoints, one question after the other, and waits for each answer.
final class OperatorClient {
    /// A pool of twenty thousand providers takes some 12 MB.
    private static let answerByteCount = 64 * 1024 * 1024

    let baseURL: String
    private let key: String
    private let easy: UnsafeMutableRawPointer
    private var body = ByteQueue()
    private let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(baseURL: String, key: String) throws(CommandFailure) {
        guard let easy = curl_easy_init() else { throw CommandFailure(.failure, "libcurl has no memory") }
        self.easy = easy
        self.baseURL = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
        self.key = key
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_easy_cleanup(easy)
        errorText.deallocate()
    }

    enum Method { case get, post }

    /// The JSON of a 200 answer, given to `read`; anything else is thrown with what the coordinator said.
    func send<Result>(
        _ method: Method, _ path: String, body request: [UInt8] = [], _ read: (JSONValue) -> Result
    ) throws(CommandFailure) -> Result {
        let status = try exchange(method, path, request)
        let parser = JSONParser()
        let root = try? parser.parse(copying: body.view)
        guard status == 200 else { throw refusal(status, root?["error"]?["message"]?.string?.string) }
        guard let root else {
            throw CommandFailure(.failure, "\(baseURL)\(path) answered with something else than JSON")
        }
        return read(root)
    }

    private func exchange(_ method: Method, _ path: String, _ request: [UInt8]) throws(CommandFailure) -> Int {
        body.removeAll()
        errorText.pointee = 0
        var fields: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(fields) }
        for field in ["Authorization: Bearer \(key)", "Content-Type: application/json", "Expect:"] {
            guard let longer = curl_slist_append(fields, field) else {
                throw CommandFailure(.failure, "libcurl has no memory")
            }
            fields = longer
        }
        let code = withByteView(request) { bytes in
            curl_easy_reset(easy)
            var codes = [
                ccurl_easy_set_string(easy, CURLOPT_URL, baseURL + path),
                ccurl_easy_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https"),
                ccurl_easy_set_long(easy, CURLOPT_NOSIGNAL, 1),
                ccurl_easy_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 5_000),
                ccurl_easy_set_long(easy, CURLOPT_TIMEOUT_MS, 30_000),
                ccurl_easy_set_pointer(easy, CURLOPT_HTTPHEADER, fields),
                ccurl_easy_set_pointer(easy, CURLOPT_ERRORBUFFER, errorText),
                ccurl_easy_set_write_function(
                    easy,
                    { bytes, size, count, context in
                        guard let bytes, let context else { return 0 }
                        return Unmanaged<OperatorClient>.fromOpaque(context).takeUnretainedValue()
                            .received(UnsafeRawPointer(bytes), size &* count)
                    }, Unmanaged.passUnretained(self).toOpaque()),
            ]
            if method == .post {
                codes.append(ccurl_easy_set_offset(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(bytes.count)))
                codes.append(ccurl_easy_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, bytes.base))
            }
            return codes.first { $0 != CURLE_OK } ?? curl_easy_perform(easy)
        }
        guard code == CURLE_OK else {
            let said = errorText.pointee == 0 ? curl_easy_strerror(code).map { String(cString: $0) } : nil
            throw CommandFailure(
                .unavailable, "cannot reach \(baseURL): \(said ?? String(cString: errorText))",
                advice: "Is a coordinator running there? --url names another address.")
        }
        var status = 0
        _ = ccurl_easy_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        return status
    }

    private func received(_ bytes: UnsafeRawPointer, _ length: Int) -> Int {
        guard length <= Self.answerByteCount - body.count else { return 0 }
        body.append(ByteView(base: bytes.assumingMemoryBound(to: UInt8.self), count: length))
        return length
    }

    private func refusal(_ status: Int, _ message: String?) -> CommandFailure {
        let message = message.map { $0.withoutControls } ?? "HTTP status \(status)"
        switch status {
        case 401:
            return CommandFailure(
                .noPermission, "\(baseURL) does not take this operator key",
                advice: "It is auth.operator_key of the coordinator's configuration: --key, or TRUNKLINE_OPERATOR_KEY.")
        case 503:
            return CommandFailure(.unavailable, message)
        default:
            return CommandFailure(.failure, message)
        }
    }
}

extension String {
    /// For text of others on a terminal: without characters that could move its cursor or change its title.
    var withoutControls: String {
        String(String.UnicodeScalarView(unicodeScalars.filter { $0.properties.generalCategory != .control }))
    }
}
