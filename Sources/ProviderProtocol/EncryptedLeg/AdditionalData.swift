import Crypto
package import Primitives

/// What is authenticated with a frame besides its content: JSON with fixed keys in a fixed order, of which only the
/// number at the end changes from frame to frame (docs/protocol.md section 4). All else is made once per request, in
/// base64url too, so that a frame costs the digits of its number and a comparison.
package struct AdditionalData: ~Copyable {
    /// All up to the number.
    private var beginning = ByteQueue()
    /// The base64url of as much of ``beginning`` as makes whole groups.
    private var beginningText = ByteQueue()
    /// Bytes of ``beginning`` that share a group with what follows: 0 ... 2.
    private let remainder: Int

    package init(
        type: StaticString, direction: SealedContent.Direction, requestID: ByteView, stream: Bool,
        identity: LegIdentity
    ) {
        SealedContent.appendAdditionalData(
            type: type, direction: direction, requestID: requestID, stream: stream, providerID: identity.providerID,
            assignedID: identity.assignedID, seq: 0, to: &beginning)
        // The number 0 and the brace.
        beginning.truncate(to: beginning.count - 2)
        remainder = beginning.count % 3
        Base64.url.encode(beginning.view.prefix(beginning.count - remainder), into: &beginningText)
    }

    /// What follows the beginning, for one number.
    struct Ending {
        /// The remainder of the beginning, at most 19 digits and the brace.
        fileprivate var bytes: InlineArray<24, UInt8>
        fileprivate var count: Int
        fileprivate let remainder: Int
    }

    func ending(seq: Int) -> Ending {
        var bytes = InlineArray<24, UInt8>(repeating: 0)
        var count = 0
        let view = beginning.view
        for index in view.count - remainder..<view.count {
            bytes[count] = view[index]
            count += 1
        }
        var digitCount = 1
        var rest = seq
        while rest >= 10 {
            rest /= 10
            digitCount += 1
        }
        rest = seq
        for place in stride(from: count + digitCount - 1, through: count, by: -1) {
            bytes[place] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
        count += digitCount
        bytes[count] = UInt8(ascii: "}")
        return Ending(bytes: bytes, count: count + 1, remainder: remainder)
    }

    /// The bytes, in two pieces.
    @inline(__always) func withPieces<Result, Failure: Error>(
        _ ending: Ending, _ body: (ByteView, ByteView) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBytes(of: ending.bytes) { bytes throws(Failure) in
            try body(beginning.view, ByteView(bytes)[ending.remainder..<ending.count])
        }
    }

    /// Digits that ``append(_:to:)`` writes.
    func textByteCount(_ ending: Ending) -> Int { beginningText.count + Base64.digitCount(of: ending.count) }

    func append(_ ending: Ending, to queue: inout ByteQueue) {
        queue.append(beginningText.view)
        withUnsafeBytes(of: ending.bytes) { Base64.url.encode(ByteView($0).prefix(ending.count), into: &queue) }
    }

    /// Whether `text` is the base64url of these bytes. One value has one spelling, so there is nothing to decode.
    @inline(__always) func matches(_ text: ByteView, _ ending: Ending) -> Bool {
        guard text.count == textByteCount(ending), text.prefix(beginningText.count) == beginningText.view else {
            return false
        }
        var digits = InlineArray<32, UInt8>(repeating: 0)
        return withUnsafeBytes(of: ending.bytes) { bytes in
            withUnsafeMutableBytes(of: &digits) { digits in
                let target = digits.baseAddress!.assumingMemoryBound(to: UInt8.self)
                let count = Base64.url.encode(ByteView(bytes).prefix(ending.count), to: target)
                return text.dropFirst(beginningText.count) == ByteView(base: target, count: count)
            }
        }
    }
}
