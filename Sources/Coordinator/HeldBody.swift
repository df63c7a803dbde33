import Primitives

/// A request body in memory. Its bytes are on the ledger as long as it lives, so that all bodies together are bounded
/// whatever becomes of each.
struct HeldBody: ~Copyable {
    private var bytes = ByteQueue()
    private let ledger: BodyLedger

    init(ledger: BodyLedger) { self.ledger = ledger }

    deinit { ledger.heldByteCount -= bytes.count }

    var count: Int { bytes.count }
    /// Followed by ``ByteQueue/padding`` readable bytes.
    var view: ByteView { bytes.view }

    /// False when all bodies together would be over their bound; nothing is kept then.
    mutating func append(_ piece: ByteView) -> Bool {
        guard ledger.heldByteCount + piece.count <= ledger.limit else { return false }
        ledger.heldByteCount += piece.count
        bytes.append(piece)
        return true
    }

    mutating func removeAll() {
        ledger.heldByteCount -= bytes.count
        bytes.removeAll()
    }

    mutating func take() -> HeldBody {
        var taken = HeldBody(ledger: ledger)
        swap(&taken, &self)
        return taken
    }
}

/// Counts the bytes of all request bodies held at once.
final class BodyLedger {
    let limit: Int
    var heldByteCount = 0

    init(limit: Int) { self.limit = limit }
}
