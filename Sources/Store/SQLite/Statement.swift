import CSQLite
import Primitives

/// A prepared statement: bind, then ``run()`` or ``next()`` until it is false.
final class Statement {
    private let handle: OpaquePointer
    private let database: Database

    init(_ handle: OpaquePointer, of database: Database) {
        self.handle = handle
        self.database = database
    }

    deinit { sqlite3_finalize(handle) }

    // MARK: Parameters, counted from 1

    func bind(_ position: Int32, _ text: String?) throws(DatabaseError) {
        guard var text else { return try bindNull(position) }
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                // An empty text has no address, which SQLite would take for NULL.
                guard let address = characters.baseAddress else { return trunkline_bind_text(handle, position, "", 0) }
                return trunkline_bind_text(handle, position, address, Int32(clamping: characters.count))
            }
        }
        try check(code)
    }

    func bind(_ position: Int32, _ number: Int64?) throws(DatabaseError) {
        guard let number else { return try bindNull(position) }
        try check(sqlite3_bind_int64(handle, position, number))
    }

    func bind(_ position: Int32, _ number: Int?) throws(DatabaseError) { try bind(position, number.map(Int64.init)) }

    func bind(_ position: Int32, _ number: Double) throws(DatabaseError) {
        try check(sqlite3_bind_double(handle, position, number))
    }

    func bind(_ position: Int32, _ time: WallTime) throws(DatabaseError) { try bind(position, time.rfc3339) }

    private func bindNull(_ position: Int32) throws(DatabaseError) { try check(sqlite3_bind_null(handle, position)) }

    // MARK: Running

    /// Runs a statement that gives no rows, and makes it ready for the next parameters.
    func run() throws(DatabaseError) {
        while try next() {}
    }

    /// The next row is there; after false the statement is ready for the next parameters.
    func next() throws(DatabaseError) -> Bool {
        let code = sqlite3_step(handle)
        switch code {
        case SQLITE_ROW:
            return true
        case SQLITE_DONE:
            sqlite3_reset(handle)
            return false
        default:
            let error = database.error(code)
            sqlite3_reset(handle)
            throw error
        }
    }

    private func check(_ code: Int32) throws(DatabaseError) {
        guard code == SQLITE_OK else { throw database.error(code) }
    }

    // MARK: Columns, counted from 0

    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

    /// nil for NULL. Bytes that are not UTF-8 become U+FFFD.
    func text(_ column: Int32) -> String? {
        guard let bytes = sqlite3_column_text(handle, column) else { return nil }
        let count = Int(sqlite3_column_bytes(handle, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}
