import Primitives

/// What differs between the heads of requests and of responses.
protocol HeadGrammar {
    /// CRLF pairs tolerated before the start line (RFC 9112 section 2.2).
    static var emptyLineCount: Int { get }

    /// Asked before the end of the start line is known: `line` is what there is of it.
    func check(partialStartLine line: ByteView, limits: HTTPLimits) throws(HTTPError)
    mutating func startLineReceived(_ line: ByteView) throws(HTTPError)
    mutating func fieldReceived(_ name: ByteView, _ value: ByteView) throws(HTTPError)
}

/// Gathers one head after the other out of pieces. A head that lies whole in the input is read where it lies; only the
/// part of an incomplete one is kept, and nothing at all between heads.
///
/// Each rule is decided by the first byte that proves it, so how the input is cut never changes the answer.
struct HeadCollector: ~Copyable {
    private enum Section { case startLine, fields }

    private var pending = ByteQueue()
    private var section = Section.startLine
    /// Where the head begins: behind the empty lines before it.
    private var headStart = 0
    private var emptyLineCount = 0
    private var lineStart = 0
    /// No line ends before this offset.
    private var scanned = 0
    private var spans: [FieldSpan] = []

    /// Nothing of a next head has arrived.
    var isIdle: Bool { pending.isEmpty }

    var heldByteCount: Int {
        pending.allocatedByteCount + spans.capacity * MemoryLayout<FieldSpan>.stride
    }

    /// Consumes up to the end of the head. nil: all of `input` was consumed and more is needed.
    mutating func next<Grammar: HeadGrammar>(
        _ input: inout ByteView, grammar: inout Grammar, limits: HTTPLimits
    ) throws(HTTPError) -> HeaderSection? {
        if pending.isEmpty {
            if let end = try scan(input, &grammar, limits) {
                let head = finish(input[headStart..<end])
                input = input.dropFirst(end)
                return head
            }
            // A lone empty line leaves nothing to keep, and appending nothing would still allocate.
            if headStart < input.count { pending.append(input.dropFirst(headStart)) }
            rebase()
            input = .empty
            return nil
        }
        let held = pending.count
        // Enough to prove that the head is too long, whatever empty lines turn out to stand before it.
        let wanted = limits.headByteCount + 2 * (Grammar.emptyLineCount + 1) + 1 - held
        pending.append(input.prefix(wanted))
        if let end = try scan(pending.view, &grammar, limits) {
            let head = finish(pending.view[headStart..<end])
            pending.removeAll()
            input = input.dropFirst(end - held)
            return head
        }
        pending.consume(headStart)
        pending.releaseIfEmpty()
        rebase()
        input = .empty
        return nil
    }

    /// The offset behind the head's last byte, or nil if it is not complete.
    private mutating func scan<Grammar: HeadGrammar>(
        _ bytes: ByteView, _ grammar: inout Grammar, _ limits: HTTPLimits
    ) throws(HTTPError) -> Int? {
        while true {
            let stop = bytes.firstControl(from: scanned)
            scanned = stop
            let limit = headStart + limits.headByteCount
            if section == .startLine, lineStart <= limit {
                try grammar.check(partialStartLine: bytes[lineStart..<min(stop, limit)], limits: limits)
            }
            guard stop < bytes.count else {
                if stop > limit { throw Self.headTooLarge }
                return nil
            }
            guard stop < limit else { throw Self.headTooLarge }
            if bytes[stop] == 0x09, section == .fields {
                scanned = stop + 1
                continue
            }
            guard bytes[stop] == 0x0D else {
                throw .badRequest(bytes[stop] == 0x0A ? "bare LF" : "control byte in the head")
            }
            guard stop + 1 < bytes.count else { return nil }
            guard stop + 1 < limit else { throw Self.headTooLarge }
            guard bytes[stop + 1] == 0x0A else { throw .badRequest("bare CR") }
            let line = lineStart..<stop
            lineStart = stop + 2
            scanned = lineStart
            switch section {
            case .startLine where line.isEmpty:
                emptyLineCount += 1
                guard emptyLineCount <= Grammar.emptyLineCount else { throw .badRequest("empty start line") }
                headStart = lineStart
            case .startLine:
                try grammar.startLineReceived(bytes[line])
                section = .fields
            case .fields where line.isEmpty:
                return lineStart
            case .fields:
                try fieldReceived(bytes[line], at: line.lowerBound - headStart, &grammar, limits)
            }
        }
    }

    @inline(__always) private mutating func fieldReceived<Grammar: HeadGrammar>(
        _ line: ByteView, at offset: Int, _ grammar: inout Grammar, _ limits: HTTPLimits
    ) throws(HTTPError) {
        guard spans.count < limits.fieldCount else { throw HTTPError(status: 431, reason: "too many header fields") }
        let field = try FieldLine(line)
        // A browser or a client library sends 6 to 16 fields: one allocation for nearly every head.
        if spans.isEmpty { spans.reserveCapacity(16) }
        spans.append(
            FieldSpan(
                name: HeadRange(offset..<offset &+ field.name.upperBound),
                value: HeadRange(offset &+ field.value.lowerBound..<offset &+ field.value.upperBound)))
        try grammar.fieldReceived(line[field.name], line[field.value])
    }

    private mutating func finish(_ head: ByteView) -> HeaderSection {
        let result = HeaderSection(bytes: head.array, spans: spans)
        spans = []
        section = .startLine
        headStart = 0
        emptyLineCount = 0
        lineStart = 0
        scanned = 0
        return result
    }

    /// The empty lines before the head were dropped: offsets now count from the head's start.
    private mutating func rebase() {
        lineStart -= headStart
        scanned -= headStart
        headStart = 0
    }

    private static var headTooLarge: HTTPError { HTTPError(status: 431, reason: "header section too large") }
}
