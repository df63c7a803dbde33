import Primitives

/// Reads HTTP/1.1 answers as they come, piece by piece, with code that shares nothing with the product's codec.
struct AnswerReader: ~Copyable {
    struct Head {
        var status = 0
        var closes = false
        var isChunked = false
        var length: Int?
    }

    enum Event {
        case head(Head)
        /// Valid until the next call.
        case body(ByteView)
        case end
    }

    private enum Phase {
        case head
        case length(Int)
        case chunkSize
        case chunkData(Int)
        case chunkEnd
        case trailer
        case untilClose
        case failed
    }

    private var pending = ByteQueue()
    private var lent = 0
    private var phase = Phase.head
    /// What breaks the grammar, if anything did.
    private(set) var violation: String?

    /// An answer has begun and not ended.
    var isInside: Bool {
        if case .head = phase { return false }
        return true
    }

    /// Its end is the connection's end.
    var endsWithConnection: Bool {
        if case .untilClose = phase { return true }
        return false
    }

    mutating func append(_ bytes: ByteView) { pending.append(bytes) }

    mutating func next() -> Event? {
        while true {
            if lent > 0 {
                pending.consume(lent)
                lent = 0
            }
            switch phase {
            case .head:
                guard let event = nextHead() else { return nil }
                return event
            case .length(0):
                phase = .head
                return .end
            case .length(let rest):
                guard let piece = lend(rest) else { return nil }
                phase = .length(rest - piece.count)
                return .body(piece)
            case .chunkSize:
                guard let line = takeLine() else { return nil }
                guard let size = Self.hexadecimal(line) else {
                    fail("chunk size '\(line.string)'")
                    return nil
                }
                phase = size == 0 ? .trailer : .chunkData(size)
            case .chunkData(0): phase = .chunkEnd
            case .chunkData(let rest):
                guard let piece = lend(rest) else { return nil }
                phase = .chunkData(rest - piece.count)
                return .body(piece)
            case .chunkEnd:
                guard let line = takeLine() else { return nil }
                guard line.isEmpty else {
                    fail("no line end behind a chunk")
                    return nil
                }
                phase = .chunkSize
            case .trailer:
                guard let line = takeLine() else { return nil }
                guard line.isEmpty else { continue }
                phase = .head
                return .end
            case .untilClose:
                guard let piece = lend(.max) else { return nil }
                return .body(piece)
            case .failed: return nil
            }
        }
    }

    private mutating func fail(_ text: String) {
        violation = text
        phase = .failed
    }

    private mutating func lend(_ most: Int) -> ByteView? {
        guard !pending.isEmpty else { return nil }
        let piece = pending.view.prefix(most)
        lent = piece.count
        return piece
    }

    /// A line without its CRLF; valid until the next call.
    private mutating func takeLine() -> ByteView? {
        guard let end = pending.view.firstIndex(of: 0x0A) else { return nil }
        guard end > 0, pending.view[end - 1] == 0x0D else {
            fail("a line that does not end in CRLF")
            return nil
        }
        lent = end + 1
        return pending.view.prefix(end - 1)
    }

    private mutating func nextHead() -> Event? {
        let bytes = pending.view
        guard let end = Self.headEnd(bytes) else { return nil }
        var head = Head()
        let (status, _) = SwarmText.number(in: bytes, at: 9)
        guard bytes.hasPrefix("HTTP/1."), let status, (100..<600).contains(status) else {
            fail("status line '\(bytes.prefix(40).string)'")
            return nil
        }
        head.status = status
        var start = 0
        while start < end {
            let stop = bytes.firstIndex(of: 0x0D, from: start) ?? end
            let line = bytes[start..<stop]
            if Self.has(line, "transfer-encoding: chunked") { head.isChunked = true }
            if Self.has(line, "connection: close") { head.closes = true }
            if Self.has(line, "content-length: ") { head.length = SwarmText.number(in: line, at: 16).value }
            start = stop + 2
        }
        pending.consume(end)
        if head.status == 100 { return nextHead() }
        phase =
            if head.isChunked {
                .chunkSize
            } else if let length = head.length {
                .length(length)
            } else {
                .untilClose
            }
        return .head(head)
    }

    private static func headEnd(_ bytes: ByteView) -> Int? {
        var place = 0
        while let line = bytes.firstIndex(of: 0x0A, from: place) {
            if line >= 3, bytes[line - 1] == 0x0D, bytes[line - 2] == 0x0A { return line + 1 }
            place = line + 1
        }
        return nil
    }

    private static func has(_ line: ByteView, _ field: StaticString) -> Bool {
        line.prefix(field.utf8CodeUnitCount).equalsIgnoringCase(field)
    }

    private static func hexadecimal(_ line: ByteView) -> Int? {
        guard line.count > 0, line.count <= 8 else { return nil }
        var value = 0
        for place in 0..<line.count {
            let byte = asciiLowercased(line[place])
            switch byte {
            case 0x30...0x39: value = value << 4 | Int(byte - 0x30)
            case 0x61...0x66: value = value << 4 | Int(byte - 0x57)
            default: return nil
            }
        }
        return value
    }
}
