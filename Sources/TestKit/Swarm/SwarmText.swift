import Primitives

/// The bytes that actors of a swarm say. All follow from a few numbers, so that whoever gets them can tell what they
/// must be, to the byte.
enum SwarmText {
    static let models: [StaticString] = ["alpha-7b", "Beta/Large-70B"]

    /// 676 letters.
    private static let letters: [UInt8] = (0..<26).flatMap { row in
        (0..<26).map { 0x61 + UInt8((row + $0) % 26) }
    }

    private static func appendFiller(_ length: Int, from start: Int, to text: inout ByteQueue) {
        letters.withUnsafeBytes { letters in
            let all = ByteView(letters)
            var rest = length
            var place = start % 600
            while rest > 0 {
                let run = all[place..<all.count].prefix(rest)
                text.append(run)
                rest -= run.count
                place = 0
            }
        }
    }

    /// `{"r":…,"a":…,"n":…,"x":"…"}`: what an attempt at a request answers at one place.
    static func appendAnswer(
        request: Int, attempt: Int, place: Int, largestFiller: Int, to text: inout ByteQueue
    ) {
        text.append("{\"r\":")
        text.append(decimal: request)
        text.append(",\"a\":")
        text.append(decimal: attempt)
        text.append(",\"n\":")
        text.append(decimal: place)
        text.append(",\"x\":\"")
        let salt = request &* 31 &+ attempt &* 7 &+ place &* 17
        appendFiller(salt % largestFiller, from: salt, to: &text)
        // What JSON must escape, once more inside the string that carries this.
        if salt % 4 == 0 { text.append("\\\"\\n\\\\\u{e9}\u{1F40E}") }
        text.append("\"}")
    }

    static func appendEvent(
        request: Int, attempt: Int, place: Int, largestFiller: Int, to text: inout ByteQueue
    ) {
        text.append("data: ")
        appendAnswer(request: request, attempt: attempt, place: place, largestFiller: largestFiller, to: &text)
        text.append("\n\n")
    }

    static let done: StaticString = "data: [DONE]\n\n"
    static let errorEventStart: StaticString = "data: {\"error\":"

    /// A buyer's request; its number stands in `user`.
    static func request(_ number: Int, model: Int, stream: Bool, filler: Int) -> [UInt8] {
        var text = ByteQueue()
        text.append("{\"model\":\"")
        text.append(models[model])
        text.append(stream ? "\",\"stream\":true" : "\",\"stream\":false")
        text.append(",\"user\":\"r")
        text.append(decimal: number)
        text.append("\",\"messages\":[{\"role\":\"user\",\"content\":\"")
        appendFiller(filler, from: number &* 13, to: &text)
        if number % 3 == 0 { text.append("\\u00e9\\\"\u{4e2d}\\/") }
        text.append("\"}]}")
        return text.view.array
    }

    /// The number of the request whose body this is.
    static func requestNumber(in body: ByteView) -> Int? {
        let mark: StaticString = "\"user\":\"r"
        var place = 0
        while let quote = body.firstIndex(of: 0x22, from: place) {
            guard body.dropFirst(quote).hasPrefix(mark) else {
                place = quote + 1
                continue
            }
            return number(in: body, at: quote + mark.utf8CodeUnitCount).value
        }
        return nil
    }

    /// The digits at `start`, and where they end.
    static func number(in text: ByteView, at start: Int) -> (value: Int?, end: Int) {
        var value = 0
        var place = start
        while place < text.count, text[place] &- 0x30 < 10, place - start < 18 {
            value = value * 10 + Int(text[place] - 0x30)
            place += 1
        }
        return (place > start ? value : nil, place)
    }

    /// `text` as a JSON string.
    static func appendQuoted(_ text: ByteView, to target: inout ByteQueue) {
        target.append(0x22)
        var start = 0
        for place in 0..<text.count {
            let byte = text.base[place]
            guard byte == 0x22 || byte == 0x5C || byte < 0x20 else { continue }
            target.append(text[start..<place])
            start = place + 1
            switch byte {
            case 0x0A: target.append("\\n")
            case 0x22: target.append("\\\"")
            case 0x5C: target.append("\\\\")
            default:
                target.append("\\u00")
                if byte < 0x10 { target.append(0x30) }
                target.append(hexadecimal: Int(byte))
            }
        }
        target.append(text[start..<text.count])
        target.append(0x22)
    }

    /// One masked frame, as a client sends it.
    static func appendFrame(
        opcode: UInt8, _ payload: ByteView, key: UInt32, isMasked: Bool = true, to target: inout ByteQueue
    ) {
        target.append(0x80 | opcode)
        let maskBit: UInt8 = isMasked ? 0x80 : 0
        switch payload.count {
        case ...125: target.append(maskBit | UInt8(payload.count))
        case ...0xFFFF:
            target.append(maskBit | 126)
            target.append(UInt8(payload.count >> 8))
            target.append(UInt8(payload.count & 0xFF))
        default:
            target.append(maskBit | 127)
            for place in stride(from: 56, through: 0, by: -8) {
                target.append(UInt8(truncatingIfNeeded: payload.count >> place))
            }
        }
        guard isMasked else { return target.append(payload) }
        for place in 0..<4 { target.append(UInt8(truncatingIfNeeded: key >> UInt32(8 * place))) }
        let start = target.reserve(payload.count)
        let wide = UInt64(key) << 32 | UInt64(key)
        let source = UnsafeRawPointer(payload.base)
        let destination = UnsafeMutableRawPointer(start)
        var place = 0
        while place + 8 <= payload.count {
            let word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: place, as: UInt64.self)) ^ wide
            destination.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt64.self)
            place += 8
        }
        while place < payload.count {
            start[place] = payload.base[place] ^ UInt8(truncatingIfNeeded: wide >> UInt64(8 * (place % 8)))
            place += 1
        }
        target.commit(payload.count)
    }
}
