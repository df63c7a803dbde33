import Crypto
package import Primitives

/// A provider token that may be used: never the token itself, only its SHA-256.
package struct TokenRecord: Sendable, Equatable {
    package var id: Int64
    /// 32 bytes.
    package var digest: [UInt8]
    /// The provider that it was issued to, and the only one that may join with it.
    package var providerName: String

    package init(id: Int64, digest: [UInt8], providerName: String) {
        self.id = id
        self.digest = digest
        self.providerName = providerName
    }
}

/// The tokens that are valid now, so that an upgrade is judged without asking the storage.
///
/// What is presented is hashed first, so the time that the search takes says nothing about a token that exists; the
/// digests themselves are compared in constant time.
package struct TokenTable: Sendable {
    /// By the first eight bytes of the digest.
    private var records: [UInt64: [TokenRecord]] = [:]

    package init(_ tokens: [TokenRecord] = []) {
        for token in tokens where token.digest.count == SHA256.byteCount {
            records[Self.key(token.digest), default: []].append(token)
        }
    }

    package func find(_ token: ByteView) -> TokenRecord? {
        let digest = SHA256.digest(of: token)
        return records[Self.key(digest)]?.first { candidate in
            withByteView(candidate.digest) { left in withByteView(digest) { equalsInConstantTime(left, $0) } }
        }
    }

    private static func key(_ digest: [UInt8]) -> UInt64 {
        digest.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
