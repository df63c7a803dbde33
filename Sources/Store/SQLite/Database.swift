import CSQLite
import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// One connection to a SQLite file. Used by one thread at a time.
final class Database {
    private let handle: OpaquePointer
    /// Once, before SQLite is used. A process that has used it before keeps what it has, which does no harm.
    private static let isConfigured = trunkline_count_no_memory() == SQLITE_OK

    /// Opens the file, and makes it, readable by its owner only, unless `mustExist`.
    init(path: String, mustExist: Bool = false, busyTimeout: Duration) throws(DatabaseError) {
        _ = Self.isConfigured
        if !mustExist { Self.makeFile(path) }
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mustExist ? 0 : SQLITE_OPEN_CREATE)
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard let opened else { throw DatabaseError(code: code, message: "no memory for a connection") }
        guard code == SQLITE_OK else {
            let error = DatabaseError(
                code: sqlite3_extended_errcode(opened), message: "\(path): \(String(cString: sqlite3_errmsg(opened)))")
            sqlite3_close_v2(opened)
            throw error
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
        sqlite3_busy_timeout(handle, Int32(clamping: busyTimeout.inMilliseconds))
    }

    deinit {
        // Waits for nothing: statements that are still alive keep what they need.
        sqlite3_close_v2(handle)
    }

    /// SQLite would make it readable by everyone, and it knows the digests of the tokens. A file that is there is left
    /// alone: closing a second descriptor of an open database would drop its locks.
    private static func makeFile(_ path: String) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
    }

    // MARK: SQL

    func prepare(_ sql: String) throws(DatabaseError) -> Statement {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw error(code) }
        return Statement(statement, of: self)
    }

    /// Runs SQL that gives no rows, or whose rows do not matter; several statements may follow each other.
    func execute(_ sql: String) throws(DatabaseError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw error(code) }
    }

    /// The first column of the first row.
    func integer(_ sql: String) throws(DatabaseError) -> Int64 {
        let statement = try prepare(sql)
        return try statement.next() ? statement.integer(0) : 0
    }

    func text(_ sql: String) throws(DatabaseError) -> String? {
        let statement = try prepare(sql)
        return try statement.next() ? statement.text(0) : nil
    }

    /// Commits what `body` does, or undoes all of it. Takes the write lock at once, so that a lock that another
    /// connection holds is met before anything has been done.
    func transaction<Result>(_ body: () throws(DatabaseError) -> Result) throws(DatabaseError) -> Result {
        try execute("BEGIN IMMEDIATE")
        do throws(DatabaseError) {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            // A full disk has rolled it back already.
            if sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
            throw error
        }
    }

    /// Rows that the last statement changed.
    var changeCount: Int { Int(sqlite3_changes(handle)) }
    var lastRowID: Int64 { sqlite3_last_insert_rowid(handle) }

    func error(_ code: Int32) -> DatabaseError {
        DatabaseError(code: code, message: String(cString: sqlite3_errmsg(handle)))
    }
}
