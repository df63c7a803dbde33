package import Primitives

/// What a request consists of, in this order: one head, any number of body pieces, one end.
package enum RequestEvent {
    case head(RequestHead)
    /// A piece of the body, without its framing, where it lies in the input. Never empty.
    case body(ByteView)
    /// The request is complete. Trailers were checked and dropped.
    case end
}

/// Reads the requests of one connection, HTTP/1.1 and HTTP/1.0, as strictly as RFC 9112 lets a server be: whatever two
/// readers could take for two different messages is refused.
///
///     head ──▶ body… ──▶ end ──▶ head …         any fault ──▶ failed, for good
///
/// Pipelined requests simply follow each other; answering them in order is the caller's affair. So is time: see
/// ``progress`` for which of its deadlines applies.
package struct RequestDecoder: ~Copyable {
    /// What the connection waits for.
    package enum Progress: Sendable, Equatable {
        /// Nothing of a next request has arrived: an idle connection, not a slow one.
        case betweenRequests
        /// A head has begun and is not complete.
        case inHead
        /// A head was delivered, its ``RequestEvent/end`` was not.
        case inBody
    }

    private enum State {
        case head
        case length(remaining: Int)
        case chunked
        case failed(HTTPError)
    }

    private let limits: HTTPLimits
    private var state = State.head
    private var collector = HeadCollector()
    private var grammar = RequestGrammar()
    private var chunks = ChunkedDecoder()

    package init(limits: HTTPLimits) { self.limits = limits }

    /// Consumes from the front of `input`; call until it answers nil, which means that all of `input` was consumed and
    /// the next request or the rest of this one must come first. Behind the head of an upgrade or a CONNECT the caller
    /// stops: what follows the head is still in `input`.
    ///
    /// After a throw the decoder answers every call with the same error.
    package mutating func next(_ input: inout ByteView) throws(HTTPError) -> RequestEvent? {
        do throws(HTTPError) {
            switch state {
            case .head: return try nextHead(&input)
            case .length(remaining: 0):
                state = .head
                return .end
            case .length(let remaining):
                guard !input.isEmpty else { return nil }
                let data = input.prefix(remaining)
                input = input.dropFirst(data.count)
                state = .length(remaining: remaining - data.count)
                return .body(data)
            case .chunked:
                switch try chunks.next(&input, limits: limits) {
                case .data(let data): return .body(data)
                case .end:
                    state = .head
                    return .end
                case nil: return nil
                }
            case .failed(let error): throw error
            }
        } catch {
            state = .failed(error)
            throw error
        }
    }

    private mutating func nextHead(_ input: inout ByteView) throws(HTTPError) -> RequestEvent? {
        guard !input.isEmpty, let section = try collector.next(&input, grammar: &grammar, limits: limits),
            let line = grammar.line
        else { return nil }
        let facts = grammar.facts
        grammar = RequestGrammar()
        let framing = try facts.framing(version: line.version, bodyLimit: limits.bodyByteCount)
        switch framing {
        case .none: state = .length(remaining: 0)
        case .length(let length): state = .length(remaining: length)
        case .chunked:
            chunks = ChunkedDecoder()
            state = .chunked
        }
        return .head(RequestHead(line: line, facts: facts, framing: framing, section: section))
    }

    package var progress: Progress {
        switch state {
        case .head: collector.isIdle ? .betweenRequests : .inHead
        case .length, .chunked: .inBody
        case .failed: .inHead
        }
    }

    /// Nothing of a next request has arrived: the connection is idle, not slow.
    package var isBetweenRequests: Bool { progress == .betweenRequests }

    /// Memory held beside the decoder itself: a part of a head or of a chunk's framing. None between requests.
    package var heldByteCount: Int { collector.heldByteCount + chunks.heldByteCount }
}
