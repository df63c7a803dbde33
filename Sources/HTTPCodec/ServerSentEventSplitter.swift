package import Primitives

/// One event is larger than allowed; the stream cannot be followed any further.
package struct ServerSentEventTooLarge: Error, Equatable {
    package var limit: Int
}

/// Cuts a stream of server-sent events (WHATWG HTML, section 9.2.6) into whole events, bytes untouched: the lines of an
/// event and the empty line that ends it, whether lines end in LF, CRLF or CR. Empty lines between events are dropped.
///
/// An event that lies whole in the input is handed on where it lies; memory is held for a partial one only.
package struct ServerSentEventSplitter: ~Copyable {
    /// Where in an event the scan stands. `lineStart` and the states after it follow at least one line.
    private enum State {
        case between
        case inLine
        case afterCR
        case lineStart
        /// A CR ended the empty line of a stream that used LF before: its LF, if it comes, belongs to the event.
        case emptyLineCR
        case failed
    }

    private let limit: Int
    private var state = State.between
    /// The front of an event that is not complete, or the event delivered last.
    private var pending = ByteQueue()
    private var deliveredByteCount = 0

    /// - Parameter limit: bytes of one event, terminator included.
    package init(limit: Int = 4 * 1024 * 1024) { self.limit = limit }

    /// Consumes from the front of `input` and answers the next whole event, valid until the next call. nil: all of
    /// `input` was consumed and more is needed. After a throw every call throws, and nothing is held.
    package mutating func next(_ input: inout ByteView) throws(ServerSentEventTooLarge) -> ByteView? {
        if state == .failed { throw ServerSentEventTooLarge(limit: limit) }
        dropDelivered()
        if state == .between { skipEmptyLines(&input) }
        let end = scan(input)
        let length = end ?? input.count
        guard length <= limit - pending.count else {
            state = .failed
            pending.removeAll()
            throw ServerSentEventTooLarge(limit: limit)
        }
        let piece = input[0..<length]
        input = input.dropFirst(length)
        if end != nil, pending.isEmpty { return piece }
        if !piece.isEmpty { pending.append(piece) }
        guard end != nil else { return nil }
        deliveredByteCount = pending.count
        return pending.view
    }

    /// What is left when the stream has ended: an event that lacks its empty line, or nil. Valid until the next call.
    package mutating func finish() -> ByteView? {
        dropDelivered()
        if state != .failed { state = .between }
        guard !pending.isEmpty else { return nil }
        deliveredByteCount = pending.count
        return pending.view
    }

    package var heldByteCount: Int { pending.allocatedByteCount }

    private mutating func dropDelivered() {
        guard deliveredByteCount > 0 else { return }
        pending.consume(deliveredByteCount)
        deliveredByteCount = 0
    }

    private func skipEmptyLines(_ input: inout ByteView) {
        var length = 0
        while length < input.count, input[length] == 0x0A || input[length] == 0x0D { length += 1 }
        input = input.dropFirst(length)
    }

    /// The offset behind the event's last byte, or nil if it is not complete. The state is where the scan ended.
    private mutating func scan(_ input: ByteView) -> Int? {
        var index = 0
        while index < input.count {
            let byte = input[index]
            switch state {
            case .between, .inLine:
                // Other control bytes are rare in a line, so the wide scan for any of them is the fast one.
                index = input.firstControl(from: index)
                state = .inLine
                guard index < input.count else { return nil }
                if input[index] == 0x0A { state = .lineStart } else if input[index] == 0x0D { state = .afterCR }
            case .afterCR where byte == 0x0D:
                // Lone CRs: nothing more is awaited, and should an LF follow after all, it is dropped as an empty line.
                state = .between
                return index + 1
            case .afterCR: state = byte == 0x0A ? .lineStart : .inLine
            case .lineStart where byte == 0x0A:
                state = .between
                return index + 1
            case .lineStart: state = byte == 0x0D ? .emptyLineCR : .inLine
            case .emptyLineCR:
                state = .between
                return byte == 0x0A ? index + 1 : index
            case .failed: return nil
            }
            index += 1
        }
        return nil
    }
}
