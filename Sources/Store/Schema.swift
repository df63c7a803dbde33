/// The tables of docs/protocol.md, section 12, and how a file comes to have them.
///
/// A file of the reference coordinator has no version and some or all of the first tables, maybe without columns that
/// came later; it is taken over as it is, and what is missing is added.
enum Schema {
    /// What `user_version` says of a file that is up to date.
    static let version: Int64 = 2

    /// Brings the file up to date, in one transaction.
    static func migrate(_ database: Database) throws(DatabaseError) {
        if try database.integer("PRAGMA user_version") == version { return }
        try database.transaction { () throws(DatabaseError) in
            let found = try database.integer("PRAGMA user_version")
            guard found <= version else {
                throw DatabaseError(
                    kind: .newerSchema, code: 0,
                    message: "the database has schema \(found); this version of trunkline knows \(version) at most")
            }
            if found < 1 { try makeTables(database) }
            if found < 2 { try addSnapshotsAndIndexes(database) }
            try database.execute("PRAGMA user_version = \(version)")
        }
    }

    private static func makeTables(_ database: Database) throws(DatabaseError) {
        for table in tables {
            let columns = table.columns.map { "\($0.name) \($0.type)" }.joined(separator: ", ")
            try database.execute("CREATE TABLE IF NOT EXISTS \(table.name) (\(columns))")
            let present = try columnNames(of: table.name, database)
            for column in table.columns where !present.contains(column.name) {
                try database.execute("ALTER TABLE \(table.name) ADD COLUMN \(column.name) \(column.type)")
            }
        }
    }

    private static func addSnapshotsAndIndexes(_ database: Database) throws(DatabaseError) {
        try database.execute(
            """
            CREATE TABLE IF NOT EXISTS pool_snapshots (id INTEGER PRIMARY KEY, ts_utc TEXT NOT NULL, snapshot TEXT);
            CREATE INDEX IF NOT EXISTS request_log_by_time ON request_log (ts_utc);
            CREATE INDEX IF NOT EXISTS request_log_by_request ON request_log (request_id);
            """)
    }

    private static func columnNames(of table: String, _ database: Database) throws(DatabaseError) -> Set<String> {
        let statement = try database.prepare("SELECT name FROM pragma_table_info(?)")
        try statement.bind(1, table)
        var names: Set<String> = []
        while try statement.next() { if let name = statement.text(0) { names.insert(name) } }
        return names
    }

    private struct Table {
        var name: String
        var columns: [(name: String, type: String)]
    }

    private static let tables = [
        Table(
            name: "provider_tokens",
            columns: [
                ("id", "INTEGER PRIMARY KEY"), ("token_hash", "TEXT NOT NULL UNIQUE"),
                ("token_prefix", "TEXT NOT NULL DEFAULT ''"), ("provider_name", "TEXT NOT NULL DEFAULT ''"),
                ("created_at", "TEXT NOT NULL DEFAULT ''"), ("revoked_at", "TEXT"), ("last_used_at", "TEXT"),
            ]),
        Table(
            name: "provisional_providers",
            columns: [
                ("provider_id", "TEXT PRIMARY KEY"), ("first_seen_at", "TEXT NOT NULL DEFAULT ''"),
                ("last_seen_at", "TEXT NOT NULL DEFAULT ''"), ("hostname", "TEXT"), ("model_id", "TEXT"),
                ("binary_version", "TEXT"), ("total_requests_served", "INTEGER NOT NULL DEFAULT 0"),
                ("total_tokens_served", "INTEGER NOT NULL DEFAULT 0"), ("promoted_at", "TEXT"), ("notes", "TEXT"),
            ]),
        Table(
            name: "rejected_providers",
            columns: [
                ("provider_id", "TEXT PRIMARY KEY"), ("rejected_at", "TEXT NOT NULL DEFAULT ''"), ("reason", "TEXT"),
                ("rejected_by", "TEXT NOT NULL DEFAULT 'operator'"),
            ]),
        Table(
            name: "request_log",
            columns: [
                ("id", "INTEGER PRIMARY KEY"), ("ts_utc", "TEXT NOT NULL DEFAULT ''"),
                ("request_id", "TEXT NOT NULL DEFAULT ''"), ("model", "TEXT NOT NULL DEFAULT ''"),
                ("provider_assigned_id", "TEXT"), ("prompt_tokens", "INTEGER"), ("completion_tokens", "INTEGER"),
                ("total_tokens", "INTEGER"), ("latency_ms", "REAL NOT NULL DEFAULT 0"),
                ("routing_ms", "REAL NOT NULL DEFAULT 0"), ("status", "INTEGER NOT NULL DEFAULT 0"),
                ("stream", "INTEGER NOT NULL DEFAULT 0"), ("buyer_ip", "TEXT NOT NULL DEFAULT ''"),
                ("error", "TEXT"), ("pref_header", "TEXT"), ("provider_header", "TEXT"),
                ("retried", "INTEGER NOT NULL DEFAULT 0"),
            ]),
    ]
}
