import Primitives
import Testing
import WebSocketCodec

/// A decoder's event that owns its bytes.
enum OwnedEvent: Equatable, CustomStringConvertible {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, [UInt8])

    init(_ event: WebSocketEvent) {
        switch event {
        case .text(let bytes): self = .text(bytes.array)
        case .binary(let bytes): self = .binary(bytes.array)
        case .ping(let bytes): self = .ping(bytes.array)
        case .pong(let bytes): self = .pong(bytes.array)
        case .close(let code, let reason): self = .close(code?.rawValue, reason.array)
        }
    }

    static func text(_ text: String) -> OwnedEvent { .text(Array(text.utf8)) }
    static func ping(_ text: String) -> OwnedEvent { .ping(Array(text.utf8)) }
    static func pong(_ text: String) -> OwnedEvent { .pong(Array(text.utf8)) }
    static func close(_ code: UInt16?, _ reason: String) -> OwnedEvent { .close(code, Array(reason.utf8)) }

    var description: String {
        switch self {
        case .text(let bytes): "text(\(String(decoding: bytes.prefix(40), as: UTF8.self)), \(bytes.count) bytes)"
        case .binary(let bytes): "binary(\(bytes.count) bytes)"
        case .ping(let bytes): "ping(\(String(decoding: bytes, as: UTF8.self)))"
        case .pong(let bytes): "pong(\(String(decoding: bytes, as: UTF8.self)))"
        case .close(let code, let reason):
            "close(\(code.map(String.init) ?? "-"), \(String(decoding: reason, as: UTF8.self)))"
        }
    }
}

/// How a test hands bytes to a decoder.
enum Cuts: CustomStringConvertible {
    case whole
    case byteByByte
    case random(seed: UInt64, atMost: Int)

    static let all: [Cuts] = [
        .whole, .byteByByte, .random(seed: 1, atMost: 3), .random(seed: 2, atMost: 10), .random(seed: 3, atMost: 10),
        .random(seed: 4, atMost: 300),
    ]

    var description: String {
        switch self {
        case .whole: "whole"
        case .byteByByte: "byte by byte"
        case .random(let seed, let most): "cut at random, seed \(seed), at most \(most)"
        }
    }

    func pieces(_ bytes: [UInt8]) -> [[UInt8]] {
        switch self {
        case .whole: return [bytes]
        case .byteByByte: return bytes.map { [$0] }
        case .random(let seed, let most):
            var random = SeededRandom(seed: seed)
            var rest = bytes[...]
            var pieces: [[UInt8]] = []
            while !rest.isEmpty {
                pieces.append(Array(rest.prefix(Int.random(in: 1...most, using: &random))))
                rest = rest.dropFirst(pieces[pieces.count - 1].count)
            }
            return pieces
        }
    }
}

struct DecoderResult: Equatable {
    var events: [OwnedEvent] = []
    var error: CloseCode?
    /// Bytes handed over before the error was thrown, the piece with the fault included.
    var byteCountAtError: Int?

    static func events(_ events: OwnedEvent...) -> DecoderResult { DecoderResult(events: events) }
}

extension FrameDecoder {
    /// Feeds one read, as a driver does: in memory with padding behind, which is overwritten when the call returns.
    mutating func feed(_ piece: [UInt8]) throws(WebSocketError) -> [OwnedEvent] {
        var events: [OwnedEvent] = []
        try feed(piece, into: &events)
        return events
    }

    mutating func feed(_ piece: [UInt8], into events: inout [OwnedEvent]) throws(WebSocketError) {
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: piece.count + ByteQueue.padding)
        memory.initialize(repeating: 0xA5, count: piece.count + ByteQueue.padding)
        memory.update(from: piece, count: piece.count)
        defer {
            let padding = UnsafeBufferPointer(start: memory + piece.count, count: ByteQueue.padding)
            #expect(padding.allSatisfy { $0 == 0xA5 }, "the decoder wrote behind its input")
            memory.update(repeating: 0xEE, count: piece.count)
            memory.deallocate()
        }
        var input = MutableByteView(base: memory, count: piece.count)
        while let event = try next(&input) { events.append(OwnedEvent(event)) }
        #expect(input.isEmpty, "nil was answered with input left")
    }
}

func decode(
    _ bytes: [UInt8], role: WebSocketRole, limit: Int = 1 << 20, cuts: Cuts = .whole
) -> DecoderResult {
    var decoder = FrameDecoder(role: role, maxMessageByteCount: limit)
    var result = DecoderResult()
    var fed = 0
    for piece in cuts.pieces(bytes) {
        fed += piece.count
        do throws(WebSocketError) { try decoder.feed(piece, into: &result.events) } catch {
            result.error = error.code
            result.byteCountAtError = fed
            return result
        }
    }
    return result
}
