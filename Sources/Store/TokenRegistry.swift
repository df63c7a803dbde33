import Crypto
package import Primitives

/// A provider token as people see it: its first characters, never the whole.
package struct StoredToken: Sendable, Equatable {
    package var id: Int64
    package var prefix: String
    package var providerName: String
    /// RFC 3339, as are the others.
    package var createdAt: String
    package var revokedAt: String?
    package var lastUsedAt: String?
}

/// Issues, lists and revokes provider tokens, in the calling thread: for commands, which may run while a coordinator has
/// the file open. It notices within seconds.
package final class TokenRegistry {
    private let database: Database

    private static let tokenByteCount = 32
    package static let prefixCharacterCount = 6
    private static let columns = "id, token_prefix, provider_name, created_at, revoked_at, last_used_at"

    /// - Parameter mustExist: fail instead of making a new file.
    package init(path: String, mustExist: Bool) throws(DatabaseError) {
        database = try Database(path: path, mustExist: mustExist, busyTimeout: .seconds(5))
        _ = try database.text("PRAGMA journal_mode = WAL")
        try Schema.migrate(database)
    }

    /// Makes a token for one provider. The token itself is given out here and kept nowhere.
    package func issue(
        providerName: String, now: WallTime
    ) throws(DatabaseError) -> (token: String, record: StoredToken) {
        let token = withByteView(SecureRandom.bytes(Self.tokenByteCount)) { Hexadecimal.encode($0) }
        let digest = withByteView(token) { SHA256.digest(of: $0) }
        let record = StoredToken(
            id: 0, prefix: String(token.prefix(Self.prefixCharacterCount)), providerName: providerName,
            createdAt: now.rfc3339)
        let insert = try database.prepare(
            "INSERT INTO provider_tokens (token_hash, token_prefix, provider_name, created_at) VALUES (?, ?, ?, ?)")
        try insert.bind(1, withByteView(digest) { Hexadecimal.encode($0) })
        try insert.bind(2, record.prefix)
        try insert.bind(3, providerName)
        try insert.bind(4, record.createdAt)
        try insert.run()
        var stored = record
        stored.id = database.lastRowID
        return (token, stored)
    }

    package func list() throws(DatabaseError) -> [StoredToken] {
        try tokens(database.prepare("SELECT \(Self.columns) FROM provider_tokens ORDER BY id"))
    }

    package enum Selection: Sendable, Equatable {
        case id(Int64)
        /// At least the six characters that are kept; more are taken too, so a whole token may be given.
        case prefix(String)
    }

    package enum Revocation: Sendable, Equatable {
        case revoked(StoredToken)
        case wasRevokedBefore(StoredToken)
        case notFound
        /// Tell them apart by id.
        case ambiguous([StoredToken])
    }

    /// The tokens that `selection` names.
    package func find(_ selection: Selection) throws(DatabaseError) -> [StoredToken] {
        switch selection {
        case .id(let id):
            let statement = try database.prepare("SELECT \(Self.columns) FROM provider_tokens WHERE id = ?")
            try statement.bind(1, id)
            return try tokens(statement)
        case .prefix(let text) where text.utf8.count > Self.prefixCharacterCount:
            let digest = withByteView(text) { SHA256.digest(of: $0) }
            let statement = try database.prepare("SELECT \(Self.columns) FROM provider_tokens WHERE token_hash = ?")
            try statement.bind(1, withByteView(digest) { Hexadecimal.encode($0) })
            return try tokens(statement)
        case .prefix(let text):
            let statement = try database.prepare("SELECT \(Self.columns) FROM provider_tokens WHERE token_prefix = ?")
            try statement.bind(1, text)
            return try tokens(statement)
        }
    }

    package func revoke(_ selection: Selection, now: WallTime) throws(DatabaseError) -> Revocation {
        try database.transaction { () throws(DatabaseError) in
            let found = try find(selection)
            guard var token = found.first else { return .notFound }
            let valid = found.filter { $0.revokedAt == nil }
            guard valid.count < 2 else { return .ambiguous(valid) }
            if let first = valid.first { token = first }
            guard token.revokedAt == nil else { return .wasRevokedBefore(token) }
            let update = try database.prepare("UPDATE provider_tokens SET revoked_at = ? WHERE id = ?")
            try update.bind(1, now)
            try update.bind(2, token.id)
            try update.run()
            token.revokedAt = now.rfc3339
            return .revoked(token)
        }
    }

    private func tokens(_ statement: Statement) throws(DatabaseError) -> [StoredToken] {
        var tokens: [StoredToken] = []
        while try statement.next() {
            tokens.append(
                StoredToken(
                    id: statement.integer(0), prefix: statement.text(1) ?? "", providerName: statement.text(2) ?? "",
                    createdAt: statement.text(3) ?? "", revokedAt: statement.text(4), lastUsedAt: statement.text(5)))
        }
        return tokens
    }
}
