package import Primitives

/// What the core tells its storage and asks of it. Without one, nothing outlives the process and everything else works.
///
/// Called on the coordinator's loop. No call waits: what cannot be kept at once is kept later or dropped and counted, and
/// the relay goes on. (docs/protocol.md, section 12)
package protocol CoordinatorJournal: AnyObject {
    /// A request is over for its buyer.
    func requestFinished(_ record: RequestRecord)
    /// A provisional provider joined, left, or is still there.
    func providerSeen(_ sighting: ProviderSighting)
    func providerPromoted(_ providerID: String, at time: WallTime)
    func providerRejected(_ providerID: String, reason: String?, at time: WallTime)
    /// An upgrade was accepted with this token.
    func tokenUsed(_ id: Int64, at time: WallTime)
    /// `json` is the pool as `/poolz` shows it.
    func poolSnapshot(_ json: [UInt8], at time: WallTime)
    /// Asks for every provisional provider that is on record. `completion` is called once on the loop, or never when the
    /// storage stops meanwhile; nil: the storage cannot be read now.
    func listProvisional(_ completion: @escaping ([ProvisionalRecord]?) -> Void)
    var health: JournalHealth { get }
}

/// How the storage is doing, for `/healthz` and `/metrics`.
package struct JournalHealth: Sendable, Equatable {
    package enum Status: Sendable, Equatable {
        case ok
        /// `reason` is one or two words: `locked`, `full`, `read_only`, `corrupt`, …
        case degraded(reason: String)
    }

    package var status = Status.ok
    /// Waiting to be written.
    package var queuedCount = 0
    /// Rows written since the start.
    package var writtenCount: UInt64 = 0
    /// Rows lost to a full queue, or given up at the end.
    package var droppedCount: UInt64 = 0
    /// Attempts to read or write that failed.
    package var errorCount: UInt64 = 0

    package init() {}

    package var statusName: StaticString {
        switch status {
        case .ok: "ok"
        case .degraded: "degraded"
        }
    }
}
