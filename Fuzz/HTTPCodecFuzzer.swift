import HTTPCodec
import Primitives

// One entry for libFuzzer (`-sanitize=fuzzer -parse-as-library`), built with the package's own name so that it sees the
// package API. The first byte chooses how the rest is cut; whatever the cuts, the events must be the same.

/// What came out of a decoder, as bytes that can be compared.
private struct Log {
    var bytes: [UInt8] = []

    mutating func add(_ mark: StaticString, _ view: ByteView = .empty) {
        bytes.append(contentsOf: ByteView(mark).buffer)
        bytes.append(contentsOf: view.buffer)
    }
}

private let limits = HTTPLimits(
    headByteCount: 512, targetByteCount: 64, fieldCount: 8, bodyByteCount: 64, chunkLineByteCount: 32,
    chunkExtensionByteCount: 48, trailerByteCount: 64)

/// Feeds `input` in steps of `step` bytes to each decoder, and logs what they say.
private func decode(_ input: ByteView, step: Int) -> Log {
    var log = Log()
    var requests = RequestDecoder(limits: limits)
    each(input, step) { piece in
        do throws(HTTPError) {
            while let event = try requests.next(&piece) {
                switch event {
                case .head(let head):
                    log.add("head ")
                    head.withPath { log.add("path ", $0) }
                    _ = head.withQuery { log.add("query ", $0) }
                    head.forEachField {
                        log.add("\nname ", $0); log.add(" value ", $1)
                    }
                    _ = head.fieldContainsToken("Connection", "upgrade")
                case .body(let data): log.add("", data)
                case .end: log.add(" end\n")
                }
            }
            precondition(piece.isEmpty, "stopped before the end of the input")
            return true
        } catch {
            log.add(" error ", ByteView(error.reason))
            return false
        }
    }
    precondition(!requests.isBetweenRequests || requests.heldByteCount == 0, "memory held between requests")

    var responses = ResponseHeadDecoder(limits: limits)
    each(input, step) { piece in
        do throws(HTTPError) {
            while let head = try responses.next(&piece) {
                head.forEachField {
                    log.add(" response ", $0); log.add(":", $1)
                }
            }
            return true
        } catch {
            log.add(" error ", ByteView(error.reason))
            return false
        }
    }

    var events = ServerSentEventSplitter(limit: 128)
    each(input, step) { piece in
        do throws(ServerSentEventTooLarge) {
            while let event = try events.next(&piece) { log.add(" event ", event) }
            return true
        } catch {
            log.add(" too large")
            return false
        }
    }
    if let rest = events.finish() { log.add(" rest ", rest) }
    return log
}

private func each(_ input: ByteView, _ step: Int, _ body: (inout ByteView) -> Bool) {
    var start = 0
    while start < input.count {
        // A copy of exactly this size, so that the address sanitizer sees a read past its end.
        var goesOn = true
        withByteView(input[start..<min(start + step, input.count)].array) { view in
            var piece = view
            goesOn = body(&piece)
        }
        guard goesOn else { return }
        start += step
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzHTTPCodec(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1 else { return 0 }
    let step = Int(start[0] % 32) + 1
    let input = ByteView(base: start + 1, count: count - 1)
    precondition(decode(input, step: step).bytes == decode(input, step: count).bytes, "the cuts changed the events")
    return 0
}
