public import Primitives

/// Names one request towards one provider: `req-` and a UUID (docs/protocol.md section 5).
///
/// The low 24 bits of the UUID's low word are a slot of the table that holds the request, so that a chunk finds its
/// request without hashing. Of the other bits enough are random that none can be guessed: the table must compare the
/// whole id with the one that the slot holds, since a provider may send any.
///
/// `public` for the reason that Package.swift gives: an id is compared for every chunk.
public struct RequestID: Hashable, Sendable {
    /// Slots that an index can name.
    public static let indexCount = 1 << 24
    public static let textByteCount = 4 + UniqueID.textByteCount
    /// Lengths of a `request_id` that is not ours (a probe's, another implementation's) and still taken from a message.
    static let acceptedByteCounts = 1...128

    public let uniqueID: UniqueID

    public init(_ uniqueID: UniqueID) { self.uniqueID = uniqueID }

    /// `uniqueID` with the index in its last bits. `index` beyond 24 bits is cut.
    public init(_ uniqueID: UniqueID, index: UInt32) {
        self.uniqueID = UniqueID(high: uniqueID.high, low: uniqueID.low & ~0xFF_FFFF | UInt64(index & 0xFF_FFFF))
    }

    /// nil unless `text` is `req-` and a UUID.
    @inline(__always) public init?(_ text: ByteView) {
        guard text.count == Self.textByteCount, text.hasPrefix("req-"), let id = UniqueID(text.dropFirst(4)) else {
            return nil
        }
        uniqueID = id
    }

    /// The slot, 0 ..< ``indexCount``; of an id that came from a peer it is only a hint.
    @inline(__always) public var index: Int { Int(truncatingIfNeeded: uniqueID.low & 0xFF_FFFF) }

    public func append(to queue: inout ByteQueue) {
        queue.append("req-")
        uniqueID.append(to: &queue)
    }

    /// Lends the text to `body`.
    public func withText<Result: ~Copyable, Failure: Error>(
        _ body: (ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var queue = ByteQueue()
        append(to: &queue)
        return try body(queue.view)
    }

    public var text: String { uniqueID.text(after: "req-") }
}
