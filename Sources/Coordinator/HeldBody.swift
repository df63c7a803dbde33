import Primitives

/// A request body in memory. Its bytes are on the ledger as long as it lives, so that all bodies together are bounded
/// whatever becomes of each.
struct HeldBody: ~Copyable {
    private var bytes = ByteQueue()
    private let ledger: BodyLedger
    /// Bytes on the ledger that are given back at the end.
    private var claimedByteCount = 0

    init(ledger: BodyLedger) { self.ledger = ledger }

    /// Takes over a body that another shard passed on.
    init(_ passed: PassedBody) {
        ledger = passed.ledger
        claimedByteCount = passed.takeClaim()
        bytes.append(passed.bytes)
    }

    deinit { ledger.release(claimedByteCount) }

    var count: Int { bytes.count }
    /// Followed by ``ByteQueue/padding`` readable bytes.
    var view: ByteView { bytes.view }

    /// False when all bodies together would be over their bound; nothing is kept then.
    mutating func append(_ piece: ByteView) -> Bool {
        guard ledger.claim(piece.count) else { return false }
        claimedByteCount += piece.count
        bytes.append(piece)
        return true
    }

    mutating func removeAll() {
        ledger.release(claimedByteCount)
        claimedByteCount = 0
        bytes.removeAll()
    }

    mutating func take() -> HeldBody {
        var taken = HeldBody(ledger: ledger)
        swap(&taken, &self)
        return taken
    }

    /// Gives the bytes to another shard. They stay on the ledger while they are on their way.
    mutating func passOn() -> PassedBody {
        let passed = PassedBody(bytes.view.array, claimedByteCount: claimedByteCount, on: ledger)
        claimedByteCount = 0
        bytes.removeAll()
        return passed
    }
}
