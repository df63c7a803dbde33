import Primitives

/// A message that breaks a rule. The connection cannot be used any further: a server answers with ``status`` and
/// closes, because nobody knows where the next message would begin (RFC 9112 section 11.2).
package struct HTTPError: Error, Equatable {
    /// The status to answer with: 400, 413, 414, 431, 501 or 505; 502 for a bad response of a server.
    package var status: Int
    /// The broken rule, in a few words, safe to show to the peer.
    package var reason: StaticString

    package init(status: Int, reason: StaticString) {
        self.status = status
        self.reason = reason
    }

    static func badRequest(_ reason: StaticString) -> HTTPError { HTTPError(status: 400, reason: reason) }

    package static func == (left: HTTPError, right: HTTPError) -> Bool {
        left.status == right.status && ByteView(left.reason) == ByteView(right.reason)
    }
}
