import Primitives

/// The head of a request, as ``HeadCollector`` reads it.
struct RequestGrammar: HeadGrammar {
    /// RFC 9112 section 2.2 asks for at least one; old clients put one behind a body.
    static var emptyLineCount: Int { 4 }

    private(set) var line: RequestLine?
    private(set) var facts = RequestFacts()

    func check(partialStartLine line: ByteView, limits: HTTPLimits) throws(HTTPError) {
        guard line.count > limits.targetByteCount, let methodEnd = line.firstIndex(of: 0x20) else { return }
        let targetEnd = line.firstIndex(of: 0x20, from: methodEnd + 1) ?? line.count
        if targetEnd - methodEnd - 1 > limits.targetByteCount {
            throw HTTPError(status: 414, reason: "request target too long")
        }
    }

    mutating func startLineReceived(_ line: ByteView) throws(HTTPError) { self.line = try RequestLine(line) }

    @inline(__always) mutating func fieldReceived(_ name: ByteView, _ value: ByteView) throws(HTTPError) {
        try facts.fieldReceived(name, value)
    }
}
