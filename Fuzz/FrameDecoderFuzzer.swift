import Primitives
import WebSocketCodec

// One entry for libFuzzer, built as Fuzz/run says. The first byte chooses the role and how the rest is cut; whatever the
// cuts, the events must be the same.

/// What came out of a decoder, as bytes that can be compared.
private func events(_ input: ByteView, role: WebSocketRole, cuts: SeededRandom?) -> [UInt8] {
    var decoder = FrameDecoder(role: role, maxMessageByteCount: 300)
    var log: [UInt8] = []
    func add(_ mark: StaticString, _ view: ByteView) {
        log += Array(ByteView(mark).buffer) + view.array
    }
    var (start, cuts) = (0, cuts)
    while start < input.count {
        var piece = ByteQueue()
        var length = input.count
        if var random = cuts {
            length = Int.random(in: 1...40, using: &random)
            cuts = random
        }
        piece.append(input.dropFirst(start).prefix(length))
        start += length
        guard var view = piece.mutableView else { break }
        do throws(WebSocketError) {
            while let event = try decoder.next(&view) {
                switch event {
                case .text(let payload): add(" text ", payload)
                case .binary(let payload): add(" binary ", payload)
                case .ping(let payload): add(" ping ", payload)
                case .pong(let payload): add(" pong ", payload)
                case .close(let code, let reason):
                    add(" close ", reason)
                    log += Array("\(code?.rawValue ?? 0)".utf8)
                }
            }
        } catch {
            return log + Array(" error \(error.code.rawValue)".utf8)
        }
    }
    return log
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzFrameDecoder(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let role: WebSocketRole = start[0] & 0x80 == 0 ? .server : .client
    let input = ByteView(base: start + 1, count: count - 1)
    precondition(
        events(input, role: role, cuts: SeededRandom(seed: UInt64(start[0]))) == events(input, role: role, cuts: nil),
        "the cuts changed the events")
    return 0
}
