import Primitives
import TestKit
import Testing
import WebSocketCodec

/// Each broken rule gives its close code, and gives it at the first byte that proves the fault.
@Suite struct FrameDecoderFaultTests {
    struct Fault: CustomStringConvertible {
        var description: String
        var role = WebSocketRole.client
        var bytes: [UInt8]
        var code = CloseCode.protocolError
        /// How many of `bytes` may be needed to see it; all if nil.
        var provenBy: Int?
        /// What came whole before it.
        var before: [OwnedEvent] = []
    }

    private static func text(_ payload: [UInt8], provenBy: Int, _ description: String) -> Fault {
        Fault(
            description: description, bytes: [0x81, UInt8(payload.count)] + payload, code: .invalidPayload,
            provenBy: provenBy + 2)
    }

    static let faults: [Fault] =
        [
            Fault(description: "RSV1", bytes: [0xC1, 0x00], provenBy: 1),
            Fault(description: "RSV2", bytes: [0xA1, 0x00], provenBy: 1),
            Fault(description: "RSV3", bytes: [0x91, 0x00], provenBy: 1),
            Fault(description: "fragmented ping", bytes: [0x09, 0x00], provenBy: 1),
            Fault(description: "fragmented close", bytes: [0x08, 0x00], provenBy: 1),
            Fault(description: "continuation of nothing", bytes: [0x80, 0x00], provenBy: 1),
            Fault(
                description: "continuation after the end", bytes: [0x01, 0x00, 0x80, 0x00, 0x80, 0x00], provenBy: 5,
                before: [.text("")]),
            Fault(description: "text within a text", bytes: [0x01, 0x01, 0x41, 0x81, 0x00], provenBy: 4),
            Fault(description: "binary within a text", bytes: [0x01, 0x01, 0x41, 0x02, 0x00], provenBy: 4),
            Fault(description: "long ping", bytes: [0x89, 0x7E, 0x00, 0x7E], provenBy: 2),
            Fault(description: "very long pong", bytes: [0x8A, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0], provenBy: 2),
            Fault(description: "masked for a client", bytes: [0x81, 0x81, 1, 2, 3, 4, 0x41], provenBy: 2),
            Fault(description: "bare for a server", role: .server, bytes: [0x81, 0x01, 0x41], provenBy: 2),
            Fault(description: "16-bit length of 125", bytes: [0x81, 0x7E, 0x00, 0x7D], provenBy: 4),
            Fault(
                description: "64-bit length of 65535", bytes: [0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], provenBy: 10),
            Fault(description: "length over 63 bits", bytes: [0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0], provenBy: 3),
            Fault(
                description: "greatest length", bytes: [0x82, 0x7F, 0x7F] + [UInt8](repeating: 0xFF, count: 7),
                code: .messageTooBig, provenBy: 10),
            Fault(description: "close payload of one byte", bytes: [0x88, 0x01, 0x03]),
            Fault(
                description: "close reason not UTF-8", bytes: [0x88, 0x04, 0x03, 0xE8, 0xC3, 0x28],
                code: .invalidPayload),
            Fault(
                description: "close reason cut inside a character", bytes: [0x88, 0x03, 0x03, 0xE8, 0xC3],
                code: .invalidPayload),

            text([0x80], provenBy: 1, "continuation byte alone"),
            text([0x41, 0xBF], provenBy: 2, "continuation byte after ASCII"),
            text([0xC0, 0xAF], provenBy: 1, "overlong, C0"),
            text([0xC1, 0x81], provenBy: 1, "overlong, C1"),
            text([0xE0, 0x80, 0xAF], provenBy: 2, "overlong, 3 bytes"),
            text([0xE0, 0x9F, 0xBF], provenBy: 2, "overlong, greatest of 3 bytes"),
            text([0xF0, 0x80, 0x80, 0xAF], provenBy: 2, "overlong, 4 bytes"),
            text([0xF0, 0x8F, 0xBF, 0xBF], provenBy: 2, "overlong, greatest of 4 bytes"),
            text([0xED, 0xA0, 0x80], provenBy: 2, "lowest surrogate"),
            text([0xED, 0xBF, 0xBF], provenBy: 2, "highest surrogate"),
            text([0xF4, 0x90, 0x80, 0x80], provenBy: 2, "U+110000"),
            text([0xF5, 0x80, 0x80, 0x80], provenBy: 1, "lead byte F5"),
            text([0xF8, 0x88, 0x80, 0x80, 0x80], provenBy: 1, "five bytes"),
            text([0xFE], provenBy: 1, "FE"),
            text([0xFF], provenBy: 1, "FF"),
            text([0xC3, 0x41], provenBy: 2, "two bytes, cut by ASCII"),
            text([0xE2, 0x82, 0x41], provenBy: 3, "three bytes, cut by ASCII"),
            text([0xF0, 0x9D, 0x84, 0xC3], provenBy: 4, "four bytes, cut by a lead byte"),
            text([0xC3], provenBy: 1, "two bytes, cut by the end"),
            text([0xE2, 0x82], provenBy: 2, "three bytes, cut by the end"),
            text([0xF0, 0x9D, 0x84], provenBy: 3, "four bytes, cut by the end"),
            text([UInt8](repeating: 0x41, count: 100) + [0xFF], provenBy: 101, "after a hundred letters"),
            Fault(
                description: "message ends inside a character", bytes: [0x01, 0x01, 0xC3, 0x80, 0x00],
                code: .invalidPayload, provenBy: 5),
            Fault(
                description: "bad byte in a later fragment", bytes: [0x01, 0x01, 0xC3, 0x00, 0x02, 0x41, 0x41],
                code: .invalidPayload, provenBy: 6),
        ]
        + [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF].map {
            Fault(description: "opcode \($0)", bytes: [0x80 | $0, 0x00], provenBy: 1)
        }
        + [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map { (code: UInt16) in
            Fault(description: "close code \(code)", bytes: [0x88, 0x02, UInt8(code >> 8), UInt8(code & 0xFF)])
        }

    @Test(arguments: faults)
    func fault(fault: Fault) {
        let followed = fault.bytes + [UInt8](repeating: 0, count: 20)
        for cuts in Cuts.all {
            let result = decode(followed, role: fault.role, cuts: cuts)
            #expect(result.error == fault.code, "\(cuts)")
            #expect(result.events == fault.before, "\(cuts)")
        }
        let slow = decode(fault.bytes, role: fault.role, cuts: .byteByByte)
        #expect(slow.byteCountAtError == fault.provenBy ?? fault.bytes.count)
    }

    @Test(arguments: [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])
    func closeCodesThatMayCome(code: UInt16) {
        let bytes: [UInt8] = [0x88, 0x02, UInt8(code >> 8), UInt8(code & 0xFF)]
        #expect(decode(bytes, role: .client) == .events(.close(code, "")))
    }

    @Test func nothingComesAfterAFault() {
        var decoder = FrameDecoder(role: .client, maxMessageByteCount: 100)
        #expect(throws: WebSocketError.self) { _ = try decoder.feed([0x80, 0x00, 0x81, 0x01, 0x41]) }
        #expect(throws: Never.self) {
            let events = try decoder.feed([0x81, 0x01, 0x41])
            #expect(events.isEmpty)
        }
        #expect(decoder.heldByteCount == 0)
    }

    struct LimitCase {
        var headers: [[UInt8]]
        var isAccepted: Bool
    }

    /// The header alone decides: not even the masking key is waited for.
    @Test(arguments: [
        LimitCase(headers: [[0x81, 0xFE, 0x01, 0xF4]], isAccepted: true),  // 500
        LimitCase(headers: [[0x81, 0xFE, 0x01, 0xF5]], isAccepted: false),  // 501
        LimitCase(headers: [[0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 0]], isAccepted: false),
        LimitCase(headers: [[0x01, 0xFE, 0x01, 0x90], [0x80, 0xE4]], isAccepted: true),  // 400 and 100
        LimitCase(headers: [[0x01, 0xFE, 0x01, 0x90], [0x80, 0xE5]], isAccepted: false),  // 400 and 101
        LimitCase(headers: [[0x01, 0xFE, 0x01, 0xF4], [0x00, 0x81]], isAccepted: false),  // 500 and 1
        LimitCase(headers: [[0x01, 0xFE, 0x01, 0xF4], [0x89, 0xFD], [0x80, 0x80]], isAccepted: true),  // a ping between
    ])
    func limit(limitCase: LimitCase) {
        var decoder = FrameDecoder(role: .server, maxMessageByteCount: 500)
        var error: CloseCode?
        for (number, header) in limitCase.headers.enumerated() {
            do throws(WebSocketError) {
                _ = try decoder.feed(header)
                guard number < limitCase.headers.count - 1 else { break }
                let length = header[1] == 0xFE ? Int(header[2]) << 8 | Int(header[3]) : Int(header[1] & 0x7F)
                _ = try decoder.feed([0, 0, 0, 0] + [UInt8](repeating: 0x41, count: length))
            } catch let fault {
                error = fault.code
            }
        }
        #expect(error == (limitCase.isAccepted ? nil : .messageTooBig))
        if !limitCase.isAccepted { #expect(decoder.heldByteCount == 0) }
    }
}
