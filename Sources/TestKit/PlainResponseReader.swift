/// Reads HTTP/1.1 responses with code that shares nothing with the product's own codec. For tests: slow and simple.
package struct PlainResponseReader {
    package struct Response: Equatable {
        package var status = 0
        package var fields: [(name: String, value: String)] = []
        package var body: [UInt8] = []
        /// The body's end was seen: by length, by last chunk, or by the end of the connection where that is the rule.
        package var isComplete = false

        package func field(_ name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }

        package var text: String { String(decoding: body, as: UTF8.self) }

        /// The payloads of the `data:` events in the body.
        package var events: [String] {
            text.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
        }

        package static func == (left: Response, right: Response) -> Bool {
            left.status == right.status && left.body == right.body && left.isComplete == right.isComplete
        }
    }

    private enum Phase {
        case head
        case length(Int)
        case chunkSize
        case chunkData(Int)
        case chunkEnd
        case trailer
        case untilClose
    }

    package private(set) var responses: [Response] = []
    /// What breaks the grammar, if anything did.
    package private(set) var violation: String?
    private var current = Response()
    private var pending: [UInt8] = []
    private var phase = Phase.head

    package init() {}

    /// The answer that is still arriving; its head may not have come yet.
    package var partial: Response? { current.status == 0 ? nil : current }

    package mutating func feed(_ bytes: some Sequence<UInt8>) {
        pending.append(contentsOf: bytes)
        while violation == nil, advance() {}
    }

    package mutating func connectionEnded() {
        if case .untilClose = phase, current.status != 0 { finish() }
    }

    private mutating func finish() {
        current.isComplete = true
        responses.append(current)
        current = Response()
        phase = .head
    }

    private mutating func takeLine() -> String? {
        guard let end = pending.firstIndex(of: 0x0A) else { return nil }
        guard end > 0, pending[end - 1] == 0x0D else {
            violation = "a line that does not end in CRLF"
            return nil
        }
        let line = String(decoding: pending[..<(end - 1)], as: UTF8.self)
        pending.removeFirst(end + 1)
        return line
    }

    private mutating func advance() -> Bool {
        switch phase {
        case .head: return readHeadLine()
        case .length(let left):
            let taken = min(left, pending.count)
            current.body.append(contentsOf: pending.prefix(taken))
            pending.removeFirst(taken)
            if taken == left {
                finish()
                return true
            }
            phase = .length(left - taken)
            return false
        case .chunkSize:
            guard let line = takeLine() else { return false }
            guard let size = Int(line, radix: 16), size >= 0 else {
                violation = "chunk size '\(line)'"
                return false
            }
            phase = size == 0 ? .trailer : .chunkData(size)
            return true
        case .chunkData(let left):
            let taken = min(left, pending.count)
            current.body.append(contentsOf: pending.prefix(taken))
            pending.removeFirst(taken)
            phase = taken == left ? .chunkEnd : .chunkData(left - taken)
            return taken == left
        case .chunkEnd:
            guard pending.count >= 2 else { return false }
            guard pending[0] == 0x0D, pending[1] == 0x0A else {
                violation = "no CRLF behind a chunk"
                return false
            }
            pending.removeFirst(2)
            phase = .chunkSize
            return true
        case .trailer:
            guard let line = takeLine() else { return false }
            if line.isEmpty { finish() }
            return true
        case .untilClose:
            current.body.append(contentsOf: pending)
            pending.removeAll()
            return false
        }
    }

    private mutating func readHeadLine() -> Bool {
        guard let line = takeLine() else { return false }
        if current.status == 0 {
            let parts = line.split(separator: " ", maxSplits: 2)
            guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]) else {
                violation = "status line '\(line)'"
                return false
            }
            current.status = status
            return true
        }
        if !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else {
                violation = "field line '\(line)'"
                return false
            }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            current.fields.append((String(line[..<colon]), String(value)))
            return true
        }
        if current.status == 100 {
            current = Response()
        } else if current.status == 101 || current.status == 204 || current.status == 304 {
            finish()
        } else if current.field("Transfer-Encoding")?.lowercased() == "chunked" {
            phase = .chunkSize
        } else if let length = current.field("Content-Length").flatMap({ Int($0) }) {
            phase = .length(length)
            if length == 0 { finish() }
        } else {
            phase = .untilClose
        }
        return true
    }

    /// Bytes behind the last whole response: after 101 they belong to the next protocol.
    package mutating func takeRest() -> [UInt8] {
        defer { pending = [] }
        return pending
    }
}

extension String {
    func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(String(rest[..<range.lowerBound]))
            rest = rest[range.upperBound...]
        }
        parts.append(String(rest))
        return parts
    }
}
