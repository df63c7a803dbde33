import Synchronization

/// Counts the bytes of all request bodies held at once: one number for all shards, so that their number does not move
/// the bound.
package final class BodyLedger: Sendable {
    let limit: Int
    private let held = Atomic(0)

    init(limit: Int) { self.limit = limit }

    var heldByteCount: Int { held.load(ordering: .relaxed) }

    /// False when the bound would be passed; nothing is counted then.
    func claim(_ byteCount: Int) -> Bool {
        var current = held.load(ordering: .relaxed)
        while byteCount <= limit - current {
            let attempt = held.weakCompareExchange(
                expected: current, desired: current + byteCount, ordering: .relaxed)
            if attempt.exchanged { return true }
            current = attempt.original
        }
        return false
    }

    func release(_ byteCount: Int) {
        if byteCount > 0 { held.wrappingSubtract(byteCount, ordering: .relaxed) }
    }
}
