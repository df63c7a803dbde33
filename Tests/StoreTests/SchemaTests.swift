import Coordinator
import Pool
import Primitives
import Testing

@testable import Store

@Suite("Schema and migrations")
struct SchemaTests {
    static let section12 = [
        "pool_snapshots": "id ts_utc snapshot",
        "provider_tokens": "id token_hash token_prefix provider_name created_at revoked_at last_used_at",
        "provisional_providers":
            "provider_id first_seen_at last_seen_at hostname model_id binary_version total_requests_served total_tokens_served promoted_at notes",
        "rejected_providers": "provider_id rejected_at reason rejected_by",
        "request_log":
            "id ts_utc request_id model provider_assigned_id prompt_tokens completion_tokens total_tokens latency_ms routing_ms status stream buyer_ip error pref_header provider_header retried",
    ]

    private func schema(_ database: Database) throws -> [String: String] {
        var tables: [String: String] = [:]
        for row in try database.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1") {
            let table = try #require(row[0])
            let columns = try database.rows("SELECT name FROM pragma_table_info('\(table)')").compactMap { $0[0] }
            tables[table] = columns.joined(separator: " ")
        }
        return tables
    }

    @Test func aNewFileHasTheTablesOfTheProtocol() throws {
        let directory = TemporaryDirectory()
        Store.quiet(directory.file).stop()
        let database = try look(directory.file)
        #expect(try schema(database) == Self.section12)
        #expect(try database.integer("PRAGMA user_version") == Schema.version)
        #expect(try database.text("PRAGMA journal_mode") == "wal")
    }

    @Test func anOlderVersionIsBroughtUpToDateWithItsRows() throws {
        let directory = TemporaryDirectory()
        Store.quiet(directory.file).stop()
        do {
            let database = try look(directory.file)
            try database.execute(
                """
                DROP TABLE pool_snapshots; DROP INDEX request_log_by_time; DROP INDEX request_log_by_request;
                INSERT INTO request_log (ts_utc, request_id, model) VALUES ('2026-01-01T00:00:00Z', 'req-1', 'm');
                PRAGMA user_version = 1
                """)
        }
        let store = Store.quiet(directory.file)
        store.requestFinished(request("req-2"))
        store.stop()
        let database = try look(directory.file)
        #expect(try schema(database) == Self.section12)
        #expect(try database.rows("SELECT request_id FROM request_log ORDER BY id") == [["req-1"], ["req-2"]])
        #expect(
            try database.integer(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name LIKE 'request_log_by%'")
                == 2)
    }

    @Test func aFileOfTheReferenceCoordinatorIsTakenOver() throws {
        let directory = TemporaryDirectory()
        do {
            // Without the columns that came later.
            let database = try Database(path: directory.file, busyTimeout: .zero)
            try database.execute(
                """
                CREATE TABLE provider_tokens (id INTEGER PRIMARY KEY AUTOINCREMENT, token_hash TEXT NOT NULL UNIQUE,
                    token_prefix TEXT NOT NULL, provider_name TEXT NOT NULL, created_at TEXT NOT NULL, revoked_at TEXT);
                CREATE TABLE request_log (id INTEGER PRIMARY KEY AUTOINCREMENT, ts_utc TEXT NOT NULL,
                    request_id TEXT NOT NULL, account_id TEXT, model TEXT NOT NULL, latency_ms REAL NOT NULL,
                    routing_ms REAL NOT NULL, status INTEGER NOT NULL, stream INTEGER NOT NULL);
                INSERT INTO provider_tokens (token_hash, token_prefix, provider_name, created_at)
                    VALUES ('\(String(repeating: "ab", count: 32))', 'abcdef', 'm1', '2026-01-01T00:00:00Z'),
                        ('no hash', 'x', 'm2', '2026-01-01T00:00:00Z');
                """)
        }
        let store = Store.quiet(directory.file)
        store.requestFinished(request("req-2"))
        store.synchronize()
        #expect(store.health.status == .ok)
        #expect(store.records?.tokens.map(\.providerName) == ["m1"])
        store.stop()
        let database = try look(directory.file)
        #expect(
            try database.rows("SELECT request_id, buyer_ip, retried, account_id FROM request_log", columns: 4)
                == [["req-2", "198.51.100.7", "0", nil]])
    }

    @Test func aFileOfALaterVersionIsLeftAlone() throws {
        let directory = TemporaryDirectory()
        Store.quiet(directory.file).stop()
        try look(directory.file).execute("PRAGMA user_version = 99")
        let store = Store.quiet(directory.file)
        store.requestFinished(request())
        store.synchronize()
        #expect(store.health.status == .degraded(reason: "newer_schema"))
        store.stop()
        #expect(store.health.droppedCount == 1)
        #expect(try look(directory.file).integer("SELECT count(*) FROM request_log") == 0)
        #expect(throws: DatabaseError.self) { try TokenRegistry(path: directory.file, mustExist: true) }
    }
}
