import Synchronization

/// A request body on its way from a front to the hub: on the ledger until somebody takes it over, or nobody has.
package final class PassedBody: Sendable {
    let bytes: [UInt8]
    let ledger: BodyLedger
    private let claimedByteCount: Atomic<Int>

    init(_ bytes: [UInt8], claimedByteCount: Int, on ledger: BodyLedger) {
        self.bytes = bytes
        self.ledger = ledger
        self.claimedByteCount = Atomic(claimedByteCount)
    }

    deinit { ledger.release(takeClaim()) }

    /// Whoever calls this gives the bytes back.
    func takeClaim() -> Int { claimedByteCount.exchange(0, ordering: .relaxed) }
}
