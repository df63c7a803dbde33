import Primitives

/// A parsed request line (RFC 9112 section 3); ranges count from the start of the head.
struct RequestLine: Sendable {
    /// Where the path is: bytes of the target, or what a target without a path stands for.
    enum Path: Sendable {
        case bytes(HeadRange)
        case root, asterisk, none
    }

    var method: HTTPMethod
    var version: HTTPVersion
    var methodRange: HeadRange
    var targetRange: HeadRange
    var path: Path
    var queryRange: HeadRange?

    /// `line` is a whole line without its CRLF, from the head's first byte on. Exactly one space stands on either side
    /// of the target: RFC 9112 section 3 lets a server be lenient there, and two lenient readers can differ.
    init(_ line: ByteView) throws(HTTPError) {
        guard let methodEnd = line.firstIndex(of: 0x20), methodEnd > 0,
            ByteClass.token.containsAll(of: line[0..<methodEnd])
        else { throw .badRequest("malformed method") }
        guard let targetEnd = line.firstIndex(of: 0x20, from: methodEnd + 1), targetEnd > methodEnd + 1
        else { throw .badRequest("malformed request line") }
        method = HTTPMethod(line[0..<methodEnd])
        version = try Self.version(line.dropFirst(targetEnd + 1))
        methodRange = HeadRange(0..<methodEnd)
        targetRange = HeadRange(methodEnd + 1..<targetEnd)
        path = .none
        try parseTarget(line[methodEnd + 1..<targetEnd], at: methodEnd + 1)
    }

    private static func version(_ text: ByteView) throws(HTTPError) -> HTTPVersion {
        if text == "HTTP/1.1" { return .http11 }
        if text == "HTTP/1.0" { return .http10 }
        guard text.count == 8, text.hasPrefix("HTTP/"), isDigit(text[5]), text[6] == 0x2E, isDigit(text[7])
        else { throw .badRequest("malformed HTTP version") }
        throw HTTPError(status: 505, reason: "HTTP version not supported")
    }

    private mutating func parseTarget(_ target: ByteView, at start: Int) throws(HTTPError) {
        if method == .connect {
            guard Authority.isValid(target, port: .required) else { throw .badRequest("malformed request target") }
            return
        }
        if target == "*" {
            guard method == .options else { throw .badRequest("malformed request target") }
            path = .bytes(targetRange)
            return
        }
        try Self.check(target)
        var pathStart = 0
        if target[0] != 0x2F {
            let schemeByteCount = target.prefix(7).equalsIgnoringCase("http://") ? 7 : 8
            guard schemeByteCount == 7 || target.prefix(8).equalsIgnoringCase("https://")
            else { throw .badRequest("malformed request target") }
            pathStart = schemeByteCount
            while pathStart < target.count, target[pathStart] != 0x2F, target[pathStart] != 0x3F { pathStart += 1 }
            guard Authority.isValid(target[schemeByteCount..<pathStart], port: .optional), pathStart > schemeByteCount
            else { throw .badRequest("malformed request target") }
        }
        let pathEnd = target.firstIndex(of: 0x3F, from: pathStart) ?? target.count
        if pathEnd < target.count { queryRange = HeadRange(start + pathEnd + 1..<start + target.count) }
        if pathEnd > pathStart {
            path = .bytes(HeadRange(start + pathStart..<start + pathEnd))
        } else {
            // RFC 9112 section 3.2.4: an absolute-form target with neither path nor query is OPTIONS for the server.
            path = method == .options && queryRange == nil ? .asterisk : .root
        }
    }

    private static func check(_ target: ByteView) throws(HTTPError) {
        var index = 0
        while index < target.count {
            if ByteClass.target.contains(target[index]) {
                index += 1
            } else if isPercentEncoding(target, at: index) {
                index += 3
            } else {
                throw .badRequest("invalid byte in the request target")
            }
        }
    }
}
