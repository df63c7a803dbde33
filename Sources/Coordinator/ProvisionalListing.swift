import Environment
import JSON
import Pool
import Primitives

/// The answer to `GET /admin/provisional`: what the storage has on record, or without a storage who is connected now.
struct ProvisionalListing {
    private let records: [ProvisionalRecord]
    private let isConnected: [Bool]

    /// Answers `exchange`, later where the storage must be asked.
    static func answer(_ exchange: HTTPServerConnection, _ coordinator: Coordinator) {
        guard let journal = coordinator.journal else {
            ProvisionalListing(connectedProviders(coordinator), coordinator).write(to: exchange)
            return
        }
        let environment = coordinator.environment
        // The answer that comes second must not go to the connection's next question.
        var isAnswered = false
        let timer = environment.schedule(at: environment.now + coordinator.settings.storage.answerTimeout) {
            isAnswered = true
            exchange.respond(with: .storageUnavailable)
        }
        journal.listProvisional { [unowned coordinator] records in
            guard !isAnswered else { return }
            isAnswered = true
            environment.cancel(timer)
            guard let records else { return exchange.respond(with: .storageUnavailable) }
            ProvisionalListing(records, coordinator).write(to: exchange)
        }
    }

    private init(_ records: [ProvisionalRecord], _ coordinator: Coordinator) {
        self.records = records
        isConnected = records.map { record in
            guard let handle = coordinator.pool.handle(provider: record.providerID) else { return false }
            return coordinator.pool[handle]?.isConnected ?? false
        }
    }

    private static func connectedProviders(_ coordinator: Coordinator) -> [ProvisionalRecord] {
        coordinator.pool.entries.filter { $0.tier == .provisional && $0.isConnected }.map { entry in
            ProvisionalRecord(
                providerID: entry.profile.providerID, hostname: entry.profile.hostname,
                modelID: entry.profile.modelID, binaryVersion: entry.profile.binaryVersion,
                firstSeenAt: entry.connectedWallTime.rfc3339, lastSeenAt: coordinator.environment.wallTime.rfc3339,
                totalRequestsServed: entry.counters.completed)
        }
    }

    private func write(to exchange: HTTPServerConnection) {
        exchange.respond { json in
            json.key("provisional")
            json.beginArray()
            for (record, isConnected) in zip(records, isConnected) { write(record, isConnected, &json) }
            json.endArray()
            json.key("summary")
            json.beginObject()
            json.member("total_provisional", records.count)
            json.member("currently_connected", isConnected.count { $0 })
            json.member("promoted", records.count { $0.promotedAt != nil })
            json.endObject()
        }
    }

    private func write(_ record: ProvisionalRecord, _ isConnected: Bool, _ json: inout JSONWriter) {
        json.beginObject()
        json.member("provider_id", record.providerID)
        json.member("hostname", orNull: record.hostname)
        json.member("model_id", orNull: record.modelID)
        json.member("binary_version", orNull: record.binaryVersion)
        json.member("first_seen_at", record.firstSeenAt)
        json.member("last_seen_at", record.lastSeenAt)
        json.member("total_requests_served", record.totalRequestsServed)
        json.member("total_tokens_served", record.totalTokensServed)
        json.member("currently_connected", isConnected)
        json.member("promoted_at", orNull: record.promotedAt)
        json.member("notes", orNull: record.notes)
        json.endObject()
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ name: StaticString, orNull text: String?) {
        if let text { member(name, text) } else { memberNull(name) }
    }
}

extension APIError {
    static let storageUnavailable = APIError.unavailable(
        "storage_unavailable", "The database cannot be read right now. Try again.", retryAfterSeconds: 5)
}
