import Coordinator
import Primitives

/// Keeps what it is told, and answers when it is told to.
final class RecordingJournal: CoordinatorJournal {
    private(set) var requests: [RequestRecord] = []
    private(set) var sightings: [ProviderSighting] = []
    private(set) var promoted: [String] = []
    private(set) var rejected: [(providerID: String, reason: String?)] = []
    private(set) var usedTokens: [Int64] = []
    private(set) var snapshots: [String] = []
    var health = JournalHealth()

    private(set) var waitingListings: [([ProvisionalRecord]?) -> Void] = []

    func requestFinished(_ record: RequestRecord) { requests.append(record) }
    func providerSeen(_ sighting: ProviderSighting) { sightings.append(sighting) }
    func providerPromoted(_ providerID: String, at time: WallTime) { promoted.append(providerID) }
    func providerRejected(_ providerID: String, reason: String?, at time: WallTime) {
        rejected.append((providerID, reason))
    }
    func tokenUsed(_ id: Int64, at time: WallTime) { usedTokens.append(id) }
    func poolSnapshot(_ json: [UInt8], at time: WallTime) { snapshots.append(String(decoding: json, as: UTF8.self)) }
    func listProvisional(_ completion: @escaping ([ProvisionalRecord]?) -> Void) { waitingListings.append(completion) }

    func answerListing(_ records: [ProvisionalRecord]?) {
        guard !waitingListings.isEmpty else { return }
        waitingListings.removeFirst()(records)
    }
}
