import Configuration
import Coordinator
import Environment
import Primitives
import Store

/// Joins the coordinator on its loop with the store on its thread. Lives on the loop.
final class StoreJournal: CoordinatorJournal {
    private let store: Store
    private var listings: [UInt64: ([ProvisionalRecord]?) -> Void] = [:]
    private var lastQuestion: UInt64 = 0

    init(_ store: Store) { self.store = store }

    func requestFinished(_ record: RequestRecord) { store.requestFinished(record) }
    func providerSeen(_ sighting: ProviderSighting) { store.providerSeen(sighting) }
    func providerPromoted(_ providerID: String, at time: WallTime) { store.providerPromoted(providerID, at: time) }
    func providerRejected(_ providerID: String, reason: String?, at time: WallTime) {
        store.providerRejected(providerID, reason: reason, at: time)
    }
    func tokenUsed(_ id: Int64, at time: WallTime) { store.tokenUsed(id, at: time) }
    func poolSnapshot(_ json: [UInt8], at time: WallTime) { store.poolSnapshot(json, at: time) }

    func listProvisional(_ completion: @escaping ([ProvisionalRecord]?) -> Void) {
        lastQuestion += 1
        guard store.listProvisional(lastQuestion) else { return completion(nil) }
        listings[lastQuestion] = completion
    }

    func listed(_ question: UInt64, _ records: [ProvisionalRecord]?) {
        listings.removeValue(forKey: question)?(records)
    }

    var health: JournalHealth { store.health }
}

@available(*, unavailable) extension StoreJournal: Sendable {}

extension Store.Settings {
    init(_ configuration: CoordinatorConfiguration) {
        self.init(path: configuration.storage.databasePath)
        provisionalRetention = .seconds(configuration.admission.provisionalRetentionDays * 86_400)
    }
}
