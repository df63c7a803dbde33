import Coordinator
import Primitives

/// The statements that write, prepared once per connection.
final class RecordWriter {
    private let insertRequest: Statement
    private let countServed: Statement
    private let upsertSighting: Statement
    private let markPromoted: Statement
    private let clearRejection: Statement
    private let insertRejection: Statement
    private let clearPromotion: Statement
    private let markTokenUsed: Statement
    private let insertSnapshot: Statement

    /// What one provider has served within a batch.
    struct Served {
        private(set) var requestCount = 0
        private(set) var tokenCount = 0

        mutating func count(_ record: RequestRecord) {
            requestCount += 1
            // A provider says how many; the sum of such numbers must stay one.
            tokenCount += min(max(record.totalTokens ?? 0, 0), 1 << 32)
        }
    }

    init(_ database: Database) throws(DatabaseError) {
        insertRequest = try database.prepare(
            """
            INSERT INTO request_log (ts_utc, request_id, model, provider_assigned_id, prompt_tokens, completion_tokens,
                total_tokens, latency_ms, routing_ms, status, stream, buyer_ip, error, pref_header, provider_header,
                retried)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        countServed = try database.prepare(
            """
            UPDATE provisional_providers SET total_requests_served = total_requests_served + ?2,
                total_tokens_served = total_tokens_served + ?3
            WHERE provider_id = ?1
            """)
        upsertSighting = try database.prepare(
            """
            INSERT INTO provisional_providers
                (provider_id, first_seen_at, last_seen_at, hostname, model_id, binary_version)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (provider_id) DO UPDATE SET last_seen_at = ?3, hostname = ?4, model_id = ?5, binary_version = ?6
            """)
        markPromoted = try database.prepare(
            """
            INSERT INTO provisional_providers (provider_id, first_seen_at, last_seen_at, promoted_at)
            VALUES (?1, ?2, ?2, ?2)
            ON CONFLICT (provider_id) DO UPDATE SET promoted_at = ?2
            """)
        clearRejection = try database.prepare("DELETE FROM rejected_providers WHERE provider_id = ?")
        insertRejection = try database.prepare(
            """
            INSERT INTO rejected_providers (provider_id, rejected_at, reason, rejected_by)
            VALUES (?1, ?2, ?3, 'operator')
            ON CONFLICT (provider_id) DO UPDATE SET rejected_at = ?2, reason = ?3, rejected_by = 'operator'
            """)
        clearPromotion = try database.prepare(
            "UPDATE provisional_providers SET promoted_at = NULL WHERE provider_id = ?")
        markTokenUsed = try database.prepare("UPDATE provider_tokens SET last_used_at = ?2 WHERE id = ?1")
        insertSnapshot = try database.prepare("INSERT INTO pool_snapshots (ts_utc, snapshot) VALUES (?, ?)")
    }

    func write(_ record: RequestRecord) throws(DatabaseError) {
        try insertRequest.bind(1, record.time)
        try insertRequest.bind(2, record.requestID)
        try insertRequest.bind(3, record.model)
        try insertRequest.bind(4, record.assignedID?.text)
        try insertRequest.bind(5, record.promptTokens)
        try insertRequest.bind(6, record.completionTokens)
        try insertRequest.bind(7, record.totalTokens)
        try insertRequest.bind(8, record.latency.inSeconds * 1000)
        try insertRequest.bind(9, record.routingTime.inSeconds * 1000)
        try insertRequest.bind(10, record.status)
        try insertRequest.bind(11, record.isStream ? 1 : 0)
        try insertRequest.bind(12, record.buyerHost)
        try insertRequest.bind(13, record.error)
        try insertRequest.bind(14, record.preference)
        try insertRequest.bind(15, record.wantedProvider)
        try insertRequest.bind(16, record.isRetried ? 1 : 0)
        try insertRequest.run()
    }

    func write(_ served: Served, by providerID: String) throws(DatabaseError) {
        try countServed.bind(1, providerID)
        try countServed.bind(2, served.requestCount)
        try countServed.bind(3, served.tokenCount)
        try countServed.run()
    }

    func write(_ sighting: PendingFacts.Sighting) throws(DatabaseError) {
        try upsertSighting.bind(1, sighting.latest.providerID)
        try upsertSighting.bind(2, sighting.firstTime)
        try upsertSighting.bind(3, sighting.latest.time)
        try upsertSighting.bind(4, sighting.latest.hostname)
        try upsertSighting.bind(5, sighting.latest.modelID)
        try upsertSighting.bind(6, sighting.latest.binaryVersion)
        try upsertSighting.run()
    }

    func write(_ decision: PendingFacts.Decision, about providerID: String) throws(DatabaseError) {
        switch decision {
        case .promoted(let time):
            try markPromoted.bind(1, providerID)
            try markPromoted.bind(2, time)
            try markPromoted.run()
            try clearRejection.bind(1, providerID)
            try clearRejection.run()
        case .rejected(let reason, let time):
            try insertRejection.bind(1, providerID)
            try insertRejection.bind(2, time)
            try insertRejection.bind(3, reason)
            try insertRejection.run()
            try clearPromotion.bind(1, providerID)
            try clearPromotion.run()
        }
    }

    func writeTokenUse(_ id: Int64, at time: WallTime) throws(DatabaseError) {
        try markTokenUsed.bind(1, id)
        try markTokenUsed.bind(2, time)
        try markTokenUsed.run()
    }

    func writeSnapshot(_ json: [UInt8], at time: WallTime) throws(DatabaseError) {
        try insertSnapshot.bind(1, time)
        try insertSnapshot.bind(2, String(decoding: json, as: UTF8.self))
        try insertSnapshot.run()
    }
}
