package import Coordinator
import Crypto
package import Pool
import Primitives

/// What the coordinator starts from.
package struct StoredRecords: Sendable, Equatable {
    package var admission = AdmissionRecords()
    /// Those that have not been revoked.
    package var tokens: [TokenRecord] = []
}

extension StoredRecords {
    /// - Parameter retentionStart: provisional providers last seen before are as good as unknown.
    init(_ database: Database, retentionStart: WallTime) throws(DatabaseError) {
        let provisional = try database.prepare(
            "SELECT provider_id FROM provisional_providers WHERE promoted_at IS NULL AND last_seen_at >= ?")
        try provisional.bind(1, retentionStart)
        admission.provisional = try Self.names(provisional)
        admission.promoted = try Self.names(
            database.prepare("SELECT provider_id FROM provisional_providers WHERE promoted_at IS NOT NULL"))
        admission.rejected = try Self.names(database.prepare("SELECT provider_id FROM rejected_providers"))
        admission.promoted.subtract(admission.rejected)
        tokens = try Self.tokens(database)
    }

    static func tokens(_ database: Database) throws(DatabaseError) -> [TokenRecord] {
        let statement = try database.prepare(
            "SELECT id, token_hash, provider_name FROM provider_tokens WHERE revoked_at IS NULL ORDER BY id")
        var tokens: [TokenRecord] = []
        while try statement.next() {
            // A hash that is none opens no door.
            guard let hash = statement.text(1), let digest = withByteView(hash, { Hexadecimal.decode($0) }),
                let name = statement.text(2)
            else { continue }
            tokens.append(TokenRecord(id: statement.integer(0), digest: digest, providerName: name))
        }
        return tokens
    }

    private static func names(_ statement: Statement) throws(DatabaseError) -> Set<String> {
        var names: Set<String> = []
        while try statement.next() { if let name = statement.text(0) { names.insert(name) } }
        return names
    }
}
