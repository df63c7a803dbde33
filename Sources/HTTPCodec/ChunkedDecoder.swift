import Primitives

/// The chunked transfer coding (RFC 9112 section 7.1): takes the framing off, passes the data on where it lies.
struct ChunkedDecoder: ~Copyable {
    enum Event {
        case data(ByteView)
        case end
    }

    private enum State {
        case size
        case data(remaining: Int)
        case dataEnd
        case trailers(byteCount: Int, fieldCount: Int)
    }

    /// The part of a line that is not complete.
    private var pending = ByteQueue()
    /// No line ends before this offset of ``pending``.
    private var scanned = 0
    private var state = State.size
    private var bodyByteCount = 0
    private var extensionByteCount = 0

    var heldByteCount: Int { pending.allocatedByteCount }

    /// nil: all of `input` was consumed and more is needed.
    mutating func next(_ input: inout ByteView, limits: HTTPLimits) throws(HTTPError) -> Event? {
        while true {
            switch state {
            case .size:
                let limit = limits.chunkLineByteCount
                guard let line = try nextLine(&input, limit: limit, tooLong: .badRequest("chunk line too long"))
                else { return nil }
                try sizeReceived(line, limits)
                pending.removeAll()
            case .data(let remaining):
                guard !input.isEmpty else { return nil }
                let data = input.prefix(remaining)
                input = input.dropFirst(data.count)
                state = data.count == remaining ? .dataEnd : .data(remaining: remaining - data.count)
                return .data(data)
            case .dataEnd:
                let fault = HTTPError.badRequest("chunk data without its CRLF")
                guard try nextLine(&input, limit: 0, tooLong: fault) != nil else { return nil }
                pending.removeAll()
                state = .size
            case .trailers(let byteCount, let fieldCount):
                let tooLarge = HTTPError(status: 431, reason: "trailer section too large")
                let limit = max(0, limits.trailerByteCount - byteCount)
                guard let line = try nextLine(&input, limit: limit, tooLong: tooLarge) else { return nil }
                if line.isEmpty {
                    pending.removeAll()
                    return .end
                }
                guard fieldCount < limits.fieldCount else { throw tooLarge }
                try Self.check(trailer: line)
                state = .trailers(byteCount: byteCount + line.count + 2, fieldCount: fieldCount + 1)
                pending.removeAll()
            }
        }
    }

    private mutating func sizeReceived(_ line: ByteView, _ limits: HTTPLimits) throws(HTTPError) {
        var size = 0
        var digits = 0
        while digits < line.count, let digit = hexadecimalDigit(line[digits]) {
            // Sixteen digits fill 64 bits; more could only be leading zeros, which no sender needs.
            guard digits < 16, size <= Int.max >> 4 else { throw .badRequest("chunk size out of range") }
            size = size << 4 | Int(digit)
            digits += 1
        }
        guard digits > 0 else { throw .badRequest("malformed chunk size") }
        let extensions = line.dropFirst(digits)
        guard Self.areValid(extensions) else { throw .badRequest("malformed chunk size or extension") }
        extensionByteCount += extensions.count
        guard extensionByteCount <= limits.chunkExtensionByteCount
        else { throw .badRequest("too many chunk extensions") }
        if size == 0 {
            state = .trailers(byteCount: 0, fieldCount: 0)
            return
        }
        guard size <= limits.bodyByteCount - bodyByteCount
        else { throw HTTPError(status: 413, reason: "body too large") }
        bodyByteCount += size
        state = .data(remaining: size)
    }

    /// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, to the last byte (RFC 9112 section 7.1.1).
    private static func areValid(_ text: ByteView) -> Bool {
        var index = 0
        func skipWhitespace() {
            while index < text.count, text[index] == 0x20 || text[index] == 0x09 { index += 1 }
        }
        func skipToken() -> Bool {
            let start = index
            while index < text.count, ByteClass.token.contains(text[index]) { index += 1 }
            return index > start
        }
        func skipQuotedString() -> Bool {
            guard index < text.count, text[index] == 0x22 else { return false }
            index += 1
            while index < text.count {
                let byte = text[index]
                index += byte == 0x5C ? 2 : 1
                if byte == 0x22 { return true }
            }
            return false
        }
        while index < text.count {
            skipWhitespace()
            guard index < text.count, text[index] == 0x3B else { return false }
            index += 1
            skipWhitespace()
            guard skipToken() else { return false }
            let nameEnd = index
            skipWhitespace()
            if index < text.count, text[index] == 0x3D {
                index += 1
                skipWhitespace()
                guard skipToken() || skipQuotedString() else { return false }
            } else {
                index = nameEnd
            }
        }
        return true
    }

    /// Trailers are dropped, so they could do no harm; one that speaks of framing or routing is refused all the same,
    /// since a sender must not send it (RFC 9110 section 6.5.1) and some other reader may merge it into the head.
    private static func check(trailer line: ByteView) throws(HTTPError) {
        let name = line[try FieldLine(line).name]
        let forbidden =
            name.equalsIgnoringCase("Content-Length") || name.equalsIgnoringCase("Transfer-Encoding")
            || name.equalsIgnoringCase("Host")
        if forbidden { throw .badRequest("forbidden trailer field") }
    }

    /// The next line without its CRLF, consumed from `input`. It may lie in ``pending``, which the caller empties when
    /// it is done with the line.
    private mutating func nextLine(
        _ input: inout ByteView, limit: Int, tooLong: HTTPError
    ) throws(HTTPError) -> ByteView? {
        let held = pending.count
        if held > 0 { pending.append(input.prefix(limit + 3 - held)) }
        let bytes = held > 0 ? pending.view : input
        while true {
            let stop = bytes.firstControl(from: scanned)
            guard stop <= limit else { throw tooLong }
            scanned = stop
            if stop < bytes.count, bytes[stop] == 0x09 {
                scanned = stop + 1
                continue
            }
            if stop < bytes.count, bytes[stop] != 0x0D {
                throw .badRequest(bytes[stop] == 0x0A ? "bare LF" : "control byte in the body's framing")
            }
            guard stop + 1 < bytes.count else { break }
            guard bytes[stop + 1] == 0x0A else { throw .badRequest("bare CR") }
            scanned = 0
            input = input.dropFirst(stop + 2 - held)
            return bytes[0..<stop]
        }
        if held == 0, !input.isEmpty { pending.append(input) }
        input = .empty
        return nil
    }
}
