package import Primitives

/// A request method (RFC 9110 section 9, RFC 5789). Methods are case-sensitive: `get` is ``other``.
package enum HTTPMethod: Sendable, Equatable {
    case get, head, post, put, delete, options, patch, connect, trace
    /// A well-formed method that nothing here implements.
    case other

    package init(_ token: ByteView) {
        switch token.count {
        case 3: self = token == "GET" ? .get : token == "PUT" ? .put : .other
        case 4: self = token == "POST" ? .post : token == "HEAD" ? .head : .other
        case 5: self = token == "PATCH" ? .patch : token == "TRACE" ? .trace : .other
        case 6: self = token == "DELETE" ? .delete : .other
        case 7: self = token == "OPTIONS" ? .options : token == "CONNECT" ? .connect : .other
        default: self = .other
        }
    }
}

/// The versions that this codec speaks.
package enum HTTPVersion: Sendable, Equatable {
    case http10, http11
}

/// How the end of a request's body is found (RFC 9112 section 6.3).
package enum BodyFraming: Sendable, Equatable {
    case none
    /// Content-Length, at most ``HTTPLimits/bodyByteCount``; 0 is a length too.
    case length(Int)
    case chunked
}
