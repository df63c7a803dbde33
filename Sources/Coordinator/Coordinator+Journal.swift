import Environment
import HTTPCodec
import JSON
package import Pool
import Primitives
import ProviderProtocol

/// What is told to the storage, and what the storage tells.
extension Coordinator {
    /// Entries in one snapshot; more would hold the loop up to write down what nobody reads.
    static let snapshotEntryCount = 1_000

    // MARK: To the storage

    func record(_ request: Relay, status: Int, error: String?) {
        guard let journal else { return }
        let usage = request.usage
        journal.requestFinished(
            RequestRecord(
                time: environment.wallTime, requestID: request.id.text, model: request.chat.model,
                assignedID: request.session.id, providerID: request.session.providerID,
                promptTokens: usage?.promptTokens, completionTokens: usage?.completionTokens,
                totalTokens: usage?.totalTokens, latency: environment.now - request.receivedAt,
                routingTime: request.routingTime, status: status, isStream: request.chat.stream,
                buyerHost: request.buyerHost, error: error, preference: request.wish.preferenceText,
                wantedProvider: request.wish.providerText, isRetried: request.isRetried))
    }

    /// A request that was understood and that nobody could take.
    func recordRefusal(
        _ error: APIError, of chat: ChatRequest, _ id: RequestID, _ wish: RouteWish, from buyerHost: String
    ) {
        guard let journal else { return }
        journal.requestFinished(
            RequestRecord(
                time: environment.wallTime, requestID: id.text, model: chat.model,
                status: error.status, isStream: chat.stream, buyerHost: buyerHost, error: error.code,
                preference: wish.preferenceText, wantedProvider: wish.providerText))
    }

    func recordSighting(of handle: EntryHandle) {
        guard let journal, let entry = pool[handle], entry.tier == .provisional else { return }
        journal.providerSeen(ProviderSighting(entry.profile, at: environment.wallTime))
    }

    /// Writes the pool down every interval, and that provisional providers are still there: their retention runs from
    /// when they were last seen.
    func armSnapshotTimer() {
        guard journal != nil else { return }
        let interval = settings.storage.snapshotInterval ?? .seconds(3600)
        _ = environment.schedule(at: environment.now + interval) { [unowned self] in
            let entries = pool.entries
            recordSightings(of: entries)
            if settings.storage.snapshotInterval != nil { recordSnapshot(of: entries) }
            armSnapshotTimer()
        }
    }

    private func recordSightings(of entries: [PoolEntry]) {
        for entry in entries where entry.isConnected && entry.tier == .provisional {
            journal?.providerSeen(ProviderSighting(entry.profile, at: environment.wallTime))
        }
    }

    private func recordSnapshot(of entries: [PoolEntry]) {
        var json = ByteQueue()
        json.appendJSON { writePool(entries.prefix(Self.snapshotEntryCount), to: &$0) }
        journal?.poolSnapshot(json.view.array, at: environment.wallTime)
    }

    // MARK: From the storage

    /// These tokens are valid from now on, and no others. Sessions that joined with another live on.
    package func tokensChanged(_ records: [TokenRecord]) { tokens = TokenTable(records) }

    /// The storage could not be read at the start, and now can: what it says joins what has been decided meanwhile.
    package func recordsLoaded(_ records: AdmissionRecords) {
        pool.learn(records)
        for handle in pool.connectedHandles {
            guard let providerID = pool[handle]?.profile.providerID, pool.standing(of: providerID) == .rejected else {
                continue
            }
            ban(providerID)
        }
    }

    /// The retention of these provisional ids is over.
    package func providersForgotten(_ providerIDs: [String]) {
        for providerID in providerIDs where pool.handle(provider: providerID) == nil {
            pool.forgetProvisional(providerID)
        }
    }

    /// The provider that `token` was issued to; nil for an unknown or revoked one.
    func tokenOwner(_ token: ByteView) -> String? {
        guard let record = tokens.find(token) else { return nil }
        journal?.tokenUsed(record.id, at: environment.wallTime)
        return record.providerName
    }
}

extension ProviderSighting {
    init(_ profile: ProviderProfile, at time: WallTime) {
        self.init(
            providerID: profile.providerID, hostname: profile.hostname, modelID: profile.modelID,
            binaryVersion: profile.binaryVersion, time: time)
    }
}

extension RouteWish {
    var preferenceText: String? { preference?.name.description }

    var providerText: String? {
        guard case .provider(let name) = target else { return nil }
        // No provider has a longer one; a header field may be.
        return String(name.prefix(64))
    }
}
