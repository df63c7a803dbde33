import Synchronization

/// What a front and the hub count together: the only memory that both write, and nothing but atomic numbers.
package final class FrontLink: Sendable {
    /// The front's place among the fronts, from 0.
    package let index: Int
    /// The bound on request bodies that all shards share.
    let bodies: BodyLedger
    private let taken = Atomic(0)

    init(index: Int, bodies: BodyLedger) {
        self.index = index
        self.bodies = bodies
    }

    /// Bytes of batches that the front has taken, ever. Wraps around.
    var takenByteCount: Int { taken.load(ordering: .relaxed) }

    func took(_ byteCount: Int) { taken.wrappingAdd(byteCount, ordering: .relaxed) }
}
