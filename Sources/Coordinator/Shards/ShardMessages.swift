package import HTTPCodec
import Primitives

/// Names one exchange between a front and the hub; never reused.
package struct ExchangeID: Hashable, Sendable {
    package var front: Int
    package var number: UInt64
}

/// From a front, where buyers connect, to the hub, where providers are.
package enum FrontMessage: Sendable {
    case ask(ExchangeID, Question)
    /// The buyer has gone.
    case abandon(ExchangeID)
    /// The buyer does not read, and too much waits for it; its connection has been closed.
    case cutSlowBuyer(ExchangeID)

    /// What the front has counted so far; the hub has asked.
    case counts(front: Int, FrontCounts)

    package enum Question: Sendable {
        /// A request that has been validated, with its body as it came.
        case complete(ChatRequest, RouteWish, buyerHost: String, body: PassedBody)
        case models
        case health(HealthCheck)
    }
}

/// What the hub has for one front at the end of a turn: in order, with all bytes in one piece.
package struct HubBatch: Sendable {
    package enum Message: Sendable {
        case respond(UInt64, status: Int, ResponseFields, body: Range<Int>)
        case fail(UInt64, APIError)
        case begin(UInt64, status: Int, ResponseFields)
        case chunk(UInt64, Range<Int>)
        case end(UInt64)
        case abort(UInt64)
        /// The hub wants to know what the front has counted.
        case count
    }

    package var messages: [Message] = []
    /// What the ranges mean.
    package var bytes: [UInt8] = []

    /// Memory that it takes, near enough.
    var byteCount: Int { bytes.count + messages.count * MemoryLayout<Message>.stride }

    mutating func append(_ view: ByteView) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: view.buffer)
        return start..<bytes.count
    }
}
