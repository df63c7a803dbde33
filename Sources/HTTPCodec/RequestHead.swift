package import Primitives

/// The head of a request: request line and header fields, checked, in memory of its own.
package struct RequestHead: Sendable {
    package var method: HTTPMethod
    package var version: HTTPVersion
    /// Whether the client wants to go on using the connection (RFC 9112 section 9.3).
    package var keepsAlive: Bool
    /// The client waits for 100 (Continue) before it sends the body. Never in HTTP/1.0, never without a body.
    package var expectsContinue: Bool
    package var bodyFraming: BodyFraming

    private let line: RequestLine
    private let section: HeaderSection

    init(line: RequestLine, facts: RequestFacts, framing: BodyFraming, section: HeaderSection) {
        method = line.method
        version = line.version
        keepsAlive = facts.connection.keepsAlive(line.version)
        expectsContinue = facts.expectsContinue && line.version == .http11 && framing != .none
        bodyFraming = framing
        self.line = line
        self.section = section
    }

    /// The method as it was sent, for logs.
    package var methodName: String { section.withView { $0[line.methodRange.range].string } }
    /// The request-target as it was sent, for logs.
    package var target: String { section.withView { $0[line.targetRange.range].string } }

    /// The path without the query, percent-encoded as it came.
    ///
    /// Begins with `/`, but is `*` for a server-wide OPTIONS and empty for CONNECT. Of an absolute-form target it is the
    /// path alone; such a target's authority outranks Host (RFC 9112 section 3.2.2), and here neither chooses anything.
    package func withPath<Result>(_ body: (ByteView) throws -> Result) rethrows -> Result {
        switch line.path {
        case .bytes(let place): try section.withView { try body($0[place.range]) }
        case .root: try body(ByteView("/"))
        case .asterisk: try body(ByteView("*"))
        case .none: try body(.empty)
        }
    }

    package var path: String { withPath { $0.string } }

    /// What follows the first `?` of the target, percent-encoded as it came; nil without a `?`.
    package var query: String? { withQuery { $0.string } }

    package func withQuery<Result>(_ body: (ByteView) throws -> Result) rethrows -> Result? {
        guard let place = line.queryRange else { return nil }
        return try section.withView { try body($0[place.range]) }
    }

    /// The value of the first field of that name, without the white space around it; nil if there is none.
    package func field(_ name: StaticString) -> String? { section.field(name) }

    package func withField<Result>(
        _ name: StaticString, _ body: (ByteView) throws -> Result
    ) rethrows -> Result? { try section.withField(name, body) }

    /// Whether a comma list, over all fields of that name, has `token`; letter case does not matter.
    package func fieldContainsToken(_ name: StaticString, _ token: StaticString) -> Bool {
        section.fieldContainsToken(name, token)
    }

    /// How many field lines have that name.
    package func fieldCount(_ name: StaticString) -> Int { section.fieldCount(name) }

    /// All fields, in the order in which they came.
    package func forEachField(_ body: (_ name: ByteView, _ value: ByteView) -> Void) { section.forEachField(body) }
}
