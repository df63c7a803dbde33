import Primitives

/// What the fields of a request say about its framing and its connection, gathered line by line.
struct RequestFacts: Sendable {
    /// Transfer-Encoding, over all its lines.
    enum TransferEncoding: Sendable {
        case absent
        /// Codings, none of them chunked.
        case foreign
        case chunked
        case foreignThenChunked
    }

    /// What the Connection fields ask for; `close` wins over `keep-alive`.
    enum Connection: Sendable {
        case unsaid, keepAlive, close

        func keepsAlive(_ version: HTTPVersion) -> Bool {
            switch self {
            case .unsaid: version == .http11
            case .keepAlive: true
            case .close: false
            }
        }
    }

    private var hasHost = false
    private var contentLength: Int?
    private var transferEncoding = TransferEncoding.absent
    private(set) var connection = Connection.unsaid
    private(set) var expectsContinue = false

    @inline(__always) mutating func fieldReceived(_ name: ByteView, _ value: ByteView) throws(HTTPError) {
        switch name.count {
        case 4 where name.equalsIgnoringCase("Host"): try hostReceived(value)
        case 6 where name.equalsIgnoringCase("Expect"):
            if value.equalsIgnoringCase("100-continue") { expectsContinue = true }
        case 10 where name.equalsIgnoringCase("Connection"): connectionReceived(value)
        case 14 where name.equalsIgnoringCase("Content-Length"): try contentLengthReceived(value)
        case 17 where name.equalsIgnoringCase("Transfer-Encoding"): try transferEncodingReceived(value)
        default: break
        }
    }

    private mutating func hostReceived(_ value: ByteView) throws(HTTPError) {
        guard !hasHost else { throw .badRequest("more than one Host") }
        guard Authority.isValid(value, port: .optional) else { throw .badRequest("malformed Host") }
        hasHost = true
    }

    private mutating func connectionReceived(_ value: ByteView) {
        var found = connection
        value.forEachListElement { element in
            if element.equalsIgnoringCase("close") {
                found = .close
            } else if found == .unsaid, element.equalsIgnoringCase("keep-alive") {
                found = .keepAlive
            }
            return true
        }
        connection = found
    }

    /// RFC 9110 section 8.6 lets a recipient take repeated equal lengths for one or refuse them. A proxy that joined two
    /// fields has already shown that somebody in the chain reads them differently: refused, as lines and as a list.
    private mutating func contentLengthReceived(_ value: ByteView) throws(HTTPError) {
        guard contentLength == nil else { throw .badRequest("more than one Content-Length") }
        guard !value.isEmpty, value.count <= 19 else { throw .badRequest("malformed Content-Length") }
        var number = 0
        for index in 0..<value.count {
            let byte = value[index]
            guard isDigit(byte) else { throw .badRequest("malformed Content-Length") }
            let (scaled, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carried) = scaled.addingReportingOverflow(Int(byte &- 0x30))
            guard !overflow, !carried else { throw .badRequest("Content-Length out of range") }
            number = sum
        }
        contentLength = number
    }

    /// A list with an empty element is refused although RFC 9110 section 5.6.1.2 asks to skip it: `chunked,` and
    /// `,chunked` exist only to be read differently by two parsers.
    private mutating func transferEncodingReceived(_ value: ByteView) throws(HTTPError) {
        var state = transferEncoding
        var fault: HTTPError?
        value.forEachListElement { coding in
            guard !coding.isEmpty, ByteClass.token.containsAll(of: coding) else {
                fault = .badRequest("malformed Transfer-Encoding")
                return false
            }
            let isChunked = coding.equalsIgnoringCase("chunked")
            switch state {
            case .absent: state = isChunked ? .chunked : .foreign
            case .foreign: state = isChunked ? .foreignThenChunked : .foreign
            case .chunked, .foreignThenChunked:
                fault = .badRequest("chunked is not the last transfer coding")
                return false
            }
            return true
        }
        if let fault { throw fault }
        transferEncoding = state
    }

    /// Decides how the body ends, once all fields are known (RFC 9112 section 6.3).
    func framing(version: HTTPVersion, bodyLimit: Int) throws(HTTPError) -> BodyFraming {
        if version == .http11, !hasHost { throw .badRequest("missing Host") }
        switch transferEncoding {
        case .absent:
            guard let contentLength else { return .none }
            if contentLength > bodyLimit { throw HTTPError(status: 413, reason: "body too large") }
            return .length(contentLength)
        case .foreign, .chunked, .foreignThenChunked:
            if contentLength != nil { throw .badRequest("both Content-Length and Transfer-Encoding") }
            if version == .http10 { throw .badRequest("Transfer-Encoding in HTTP/1.0") }
        }
        switch transferEncoding {
        case .absent, .foreign: throw .badRequest("chunked is not the last transfer coding")
        case .foreignThenChunked: throw HTTPError(status: 501, reason: "transfer coding not implemented")
        case .chunked: return .chunked
        }
    }
}
