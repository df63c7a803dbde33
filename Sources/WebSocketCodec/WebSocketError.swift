/// A peer broke a rule; `code` is the answer that RFC 6455 asks for, `reason` names the rule.
package struct WebSocketError: Error, Equatable {
    package var code: CloseCode
    package var reason: StaticString

    package init(code: CloseCode, reason: StaticString) {
        self.code = code
        self.reason = reason
    }

    /// The reason is text for people: two errors are the same when the code is.
    package static func == (left: WebSocketError, right: WebSocketError) -> Bool { left.code == right.code }

    @inline(never) static func protocolError(_ reason: StaticString) -> WebSocketError {
        WebSocketError(code: .protocolError, reason: reason)
    }

    static var tooBig: WebSocketError { WebSocketError(code: .messageTooBig, reason: "message too big") }
    static var invalidUTF8: WebSocketError { WebSocketError(code: .invalidPayload, reason: "invalid UTF-8") }
}
