package import Primitives

/// Reads the head of a response, for a client that opens a WebSocket: what follows the head stays in the input.
///
/// Interim responses (1xx) come out as heads like any other; the caller goes on to the next one.
package struct ResponseHeadDecoder: ~Copyable {
    private let limits: HTTPLimits
    private var collector = HeadCollector()
    private var grammar = ResponseGrammar()
    private var failure: HTTPError?

    package init(limits: HTTPLimits) { self.limits = limits }

    /// nil: all of `input` was consumed and more is needed. Every error has status 502: the server is to blame. After a
    /// throw every call throws the same.
    package mutating func next(_ input: inout ByteView) throws(HTTPError) -> ResponseHead? {
        if let failure { throw failure }
        do throws(HTTPError) {
            guard !input.isEmpty, let section = try collector.next(&input, grammar: &grammar, limits: limits)
            else { return nil }
            let line = grammar
            grammar = ResponseGrammar()
            return ResponseHead(status: line.status, version: line.version, section: section)
        } catch {
            let failure = HTTPError(status: 502, reason: error.reason)
            self.failure = failure
            throw failure
        }
    }

    package var heldByteCount: Int { collector.heldByteCount }
}

/// The head of a response, as ``HeadCollector`` reads it.
struct ResponseGrammar: HeadGrammar {
    static var emptyLineCount: Int { 0 }

    private(set) var status = 0
    private(set) var version = HTTPVersion.http11

    func check(partialStartLine line: ByteView, limits: HTTPLimits) throws(HTTPError) {}

    /// `HTTP/1.1 101 Switching Protocols`. The phrase may be empty, and the space before it missing with it, as old
    /// servers have it (RFC 9112 section 4).
    mutating func startLineReceived(_ line: ByteView) throws(HTTPError) {
        guard line.count >= 12, line.hasPrefix("HTTP/1."), line[8] == 0x20, line[7] == 0x30 || line[7] == 0x31,
            line.count == 12 || line[12] == 0x20
        else { throw .badRequest("malformed status line") }
        var number = 0
        for index in 9..<12 {
            guard isDigit(line[index]) else { throw .badRequest("malformed status code") }
            number = number * 10 + Int(line[index] - 0x30)
        }
        guard 100...599 ~= number else { throw .badRequest("malformed status code") }
        status = number
        version = line[7] == 0x31 ? .http11 : .http10
    }

    mutating func fieldReceived(_ name: ByteView, _ value: ByteView) throws(HTTPError) {}
}
