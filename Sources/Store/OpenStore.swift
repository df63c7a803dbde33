import Coordinator
import Primitives

/// A file that is open, up to date and writable.
struct OpenStore {
    private let database: Database
    private let writer: RecordWriter
    private var dataVersion: Int64

    /// Opens the file and brings it up to date. What can be read is given to `loaded` even where nothing can be written.
    init(
        _ settings: Store.Settings, loaded: (StoredRecords) -> Void
    ) throws(DatabaseError) {
        let database = try Database(path: settings.path, busyTimeout: settings.busyTimeout)
        var failure: DatabaseError?
        do throws(DatabaseError) {
            try Self.prepare(database, settings)
        } catch {
            failure = error
        }
        let dataVersion = try database.integer("PRAGMA data_version")
        do throws(DatabaseError) {
            loaded(try StoredRecords(database, retentionStart: settings.retentionStart))
        } catch {
            throw failure ?? error
        }
        if let failure { throw failure }
        self.database = database
        self.dataVersion = dataVersion
        writer = try RecordWriter(database)
    }

    private static func prepare(_ database: Database, _ settings: Store.Settings) throws(DatabaseError) {
        _ = try database.text("PRAGMA journal_mode = WAL")
        // In WAL mode a killed process loses nothing that was committed, and a power cut the last moments only.
        try database.execute("PRAGMA synchronous = NORMAL")
        for pragma in settings.pragmas { try database.execute("PRAGMA \(pragma)") }
        try Schema.migrate(database)
    }

    /// Writes all of it or nothing.
    /// - Parameter refused: called for each record that cannot be written while others can; it is left out.
    func write(
        _ requests: ArraySlice<RequestRecord>, _ facts: PendingFacts, refused: (DatabaseError) -> Void
    ) throws(DatabaseError) {
        func attempt(_ body: () throws(DatabaseError) -> Void) throws(DatabaseError) {
            do throws(DatabaseError) {
                try body()
            } catch  where error.kind == .row {
                refused(error)
            }
        }
        try database.transaction { () throws(DatabaseError) in
            for sighting in facts.sightings.values {
                try attempt { () throws(DatabaseError) in try writer.write(sighting) }
            }
            for (providerID, decision) in facts.decisions {
                try attempt { () throws(DatabaseError) in try writer.write(decision, about: providerID) }
            }
            for (id, time) in facts.tokenUses {
                try attempt { () throws(DatabaseError) in try writer.writeTokenUse(id, at: time) }
            }
            if let snapshot = facts.snapshot {
                try attempt { () throws(DatabaseError) in
                    try writer.writeSnapshot(snapshot.json, at: snapshot.time)
                }
            }
            var served: [String: RecordWriter.Served] = [:]
            for request in requests {
                try attempt { () throws(DatabaseError) in
                    try writer.write(request)
                    guard request.status == 200, let providerID = request.providerID else { return }
                    served[providerID, default: RecordWriter.Served()].count(request)
                }
            }
            for (providerID, served) in served {
                try attempt { () throws(DatabaseError) in try writer.write(served, by: providerID) }
            }
        }
    }

    /// The valid tokens, when another connection has changed the file since the last call; else nil.
    mutating func changedTokens() throws(DatabaseError) -> [TokenRecord]? {
        let current = try database.integer("PRAGMA data_version")
        guard current != dataVersion else { return nil }
        let tokens = try StoredRecords.tokens(database)
        dataVersion = current
        return tokens
    }

    func provisionalRecords(limit: Int) throws(DatabaseError) -> [ProvisionalRecord] {
        let statement = try database.prepare(
            """
            SELECT provider_id, hostname, model_id, binary_version, first_seen_at, last_seen_at, total_requests_served,
                total_tokens_served, promoted_at, notes
            FROM provisional_providers ORDER BY last_seen_at DESC, provider_id LIMIT ?
            """)
        try statement.bind(1, limit)
        var records: [ProvisionalRecord] = []
        while try statement.next() {
            records.append(
                ProvisionalRecord(
                    providerID: statement.text(0) ?? "", hostname: statement.text(1), modelID: statement.text(2),
                    binaryVersion: statement.text(3), firstSeenAt: statement.text(4) ?? "",
                    lastSeenAt: statement.text(5) ?? "", totalRequestsServed: Int(statement.integer(6)),
                    totalTokensServed: Int(statement.integer(7)), promotedAt: statement.text(8),
                    notes: statement.text(9)))
        }
        return records
    }

    /// Removes what is kept for a time only.
    /// - Returns: the provisional providers that are unknown from now on.
    func cleanUp(retentionStart: WallTime, snapshotStart: WallTime) throws(DatabaseError) -> [String] {
        try database.transaction { () throws(DatabaseError) in
            let old = try database.prepare(
                """
                DELETE FROM provisional_providers WHERE promoted_at IS NULL AND last_seen_at < ? RETURNING provider_id
                """)
            try old.bind(1, retentionStart)
            var forgotten: [String] = []
            while try old.next() { if let name = old.text(0) { forgotten.append(name) } }
            let snapshots = try database.prepare("DELETE FROM pool_snapshots WHERE ts_utc < ?")
            try snapshots.bind(1, snapshotStart)
            try snapshots.run()
            return forgotten
        }
    }
}
