import CSQLite

/// A database could not be opened, read or written.
package struct DatabaseError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What to do about it depends on this alone.
    package enum Kind: String, Sendable {
        /// Another connection holds the lock for longer than the busy time-out.
        case locked
        /// The disk, or the size that the database may have.
        case full
        case readOnly = "read_only"
        /// Damaged, or no database at all.
        case corrupt
        /// The file cannot be made or opened.
        case unavailable
        case inputOutput = "io_error"
        /// Written by a later version of this program.
        case newerSchema = "newer_schema"
        /// This one row is refused; others may be fine.
        case row = "row_refused"
        case other = "error"
    }

    package let kind: Kind
    /// SQLite's extended result code.
    package let code: Int32
    package let message: String

    init(kind: Kind, code: Int32, message: String) {
        self.kind = kind
        self.code = code
        self.message = message
    }

    init(code: Int32, message: String) {
        self.init(kind: Kind(code), code: code, message: message)
    }

    package var description: String { message }
}

extension DatabaseError.Kind {
    /// The low byte of an extended result code is its primary code (https://sqlite.org/rescode.html).
    init(_ extendedCode: Int32) {
        switch extendedCode & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED: self = .locked
        case SQLITE_FULL: self = .full
        case SQLITE_READONLY, SQLITE_PERM: self = .readOnly
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT: self = .corrupt
        case SQLITE_CANTOPEN, SQLITE_AUTH: self = .unavailable
        case SQLITE_IOERR, SQLITE_NOLFS, SQLITE_PROTOCOL: self = .inputOutput
        case SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE: self = .row
        default: self = .other
        }
    }
}
