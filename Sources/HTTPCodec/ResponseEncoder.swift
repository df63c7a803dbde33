package import Primitives

/// How the client will find the end of a response's body (RFC 9112 section 6.3).
package enum ResponseFraming: Sendable, Equatable {
    /// Content-Length. Also for an answer to HEAD: the length that GET would have had, and then no body.
    case length(Int)
    case chunked
    /// The connection ends with the body; the head then says `Connection: close`, whatever was asked.
    case untilClose
    /// No field about a body: 1xx, 204, 304, and HEAD where the length is not known.
    case none

    /// For a body whose length is not known: HTTP/1.0 knows no chunks.
    package static func streaming(to version: HTTPVersion) -> ResponseFraming {
        version == .http11 ? .chunked : .untilClose
    }
}

/// Writes HTTP/1.1 responses behind what waits in a queue.
package enum ResponseEncoder {
    /// A response's head with its empty line.
    ///
    /// - Parameters:
    ///   - keepsAlive: whether this side will read another request; false writes `Connection: close`.
    ///   - version: the request's: an HTTP/1.0 client must be told that the connection stays (RFC 9112 section 9.3).
    ///     The status line itself says HTTP/1.1 always (RFC 9110 section 2.5).
    ///   - date: left out when nil, as for 100 and 101.
    package static func head(
        status: Int, fields: ResponseFields = ResponseFields(), framing: ResponseFraming, keepsAlive: Bool,
        version: HTTPVersion = .http11, date: HTTPDate?, into queue: inout ByteQueue
    ) {
        let reason = ReasonPhrase.of(status)
        let literals = 160
        _ = queue.reserve(literals + reason.utf8CodeUnitCount + fields.bytes.count)
        queue.append("HTTP/1.1 ")
        queue.append(decimal: status)
        queue.append(0x20)
        queue.append(reason)
        queue.append("\r\n")
        if let date {
            queue.append("Date: ")
            date.append(to: &queue)
            queue.append("\r\n")
        }
        if !fields.isEmpty { queue.append(fields.bytes) }
        // RFC 9110 sections 8.6 and 6.4.1: these have no body and must not seem to have one.
        let canHaveBody = status >= 200 && status != 204
        switch framing {
        case .length(let length) where canHaveBody:
            queue.append("Content-Length: ")
            queue.append(decimal: max(0, length))
            queue.append("\r\n")
        case .chunked where canHaveBody: queue.append("Transfer-Encoding: chunked\r\n")
        case .length, .chunked, .untilClose, .none: break
        }
        if !keepsAlive || framing == .untilClose {
            queue.append("Connection: close\r\n")
        } else if version == .http10 {
            queue.append("Connection: keep-alive\r\n")
        }
        queue.append("\r\n")
    }

    /// One chunk. Nothing for empty data: a chunk of size 0 would end the body.
    @inline(__always) package static func chunk(_ data: ByteView, into queue: inout ByteQueue) {
        guard !data.isEmpty else { return }
        // 16 digits and two CRLFs at most; reserved at once so that the pieces cannot move what was written.
        _ = queue.reserve(data.count + 20)
        queue.append(hexadecimal: data.count)
        queue.append("\r\n")
        queue.append(data)
        queue.append("\r\n")
    }

    /// The end of a chunked body, without trailers.
    package static func lastChunk(into queue: inout ByteQueue) { queue.append("0\r\n\r\n") }

    /// What a client that sent `Expect: 100-continue` waits for.
    package static func `continue`(into queue: inout ByteQueue) { queue.append("HTTP/1.1 100 Continue\r\n\r\n") }
}

/// The words beside a status (RFC 9110 section 15, RFC 6585). Clients ignore them; people reading a trace do not.
enum ReasonPhrase {
    static func of(_ status: Int) -> StaticString {
        switch status {
        case 100: "Continue"
        case 101: "Switching Protocols"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 206: "Partial Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 303: "See Other"
        case 304: "Not Modified"
        case 307: "Temporary Redirect"
        case 308: "Permanent Redirect"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 406: "Not Acceptable"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 412: "Precondition Failed"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 421: "Misdirected Request"
        case 422: "Unprocessable Content"
        case 426: "Upgrade Required"
        case 428: "Precondition Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        // RFC 9112 section 4: the phrase may be empty, the space before it may not be missing.
        default: ""
        }
    }
}
