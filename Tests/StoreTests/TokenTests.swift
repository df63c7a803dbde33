import Coordinator
import Primitives
import Testing

@testable import Store

@Suite("Provider tokens")
struct TokenTests {
    @Test func aTokenIsIssuedOnceAndKeptAsItsDigest() throws {
        let directory = TemporaryDirectory()
        let registry = try TokenRegistry(path: directory.file, mustExist: false)
        let (token, record) = try registry.issue(providerName: "m1", now: noon)
        #expect(token.count == 64)
        #expect(token.allSatisfy { $0.isHexDigit && !$0.isUppercase })
        #expect(record.prefix == token.prefix(6))
        #expect(record.createdAt == "2026-09-21T14:13:20.000Z")
        #expect(try registry.list() == [record])
        #expect(!directory.content.contains(token))
        #expect(directory.content.contains(record.prefix))
        #expect(try registry.issue(providerName: "m1", now: noon).token != token)
    }

    @Test func aTokenIsRevokedByPrefixByIDAndWhole() throws {
        let directory = TemporaryDirectory()
        let registry = try TokenRegistry(path: directory.file, mustExist: false)
        let issued = try (0..<3).map { try registry.issue(providerName: "m\($0)", now: noon) }
        let later = noon + .seconds(60)
        guard case .revoked(let first) = try registry.revoke(.prefix(issued[0].record.prefix), now: later),
            case .revoked(let second) = try registry.revoke(.id(issued[1].record.id), now: later),
            case .revoked(let third) = try registry.revoke(.prefix(issued[2].token), now: later)
        else {
            Issue.record("not revoked")
            return
        }
        #expect([first, second, third].map(\.providerName) == ["m0", "m1", "m2"])
        #expect(first.revokedAt == "2026-09-21T14:14:20.000Z")
        #expect(try registry.list().allSatisfy { $0.revokedAt == "2026-09-21T14:14:20.000Z" })
        #expect(try registry.revoke(.id(issued[0].record.id), now: later + .seconds(1)) == .wasRevokedBefore(first))
        #expect(try registry.revoke(.id(99), now: later) == .notFound)
        #expect(try registry.revoke(.prefix("abc"), now: later) == .notFound)
        #expect(try registry.revoke(.prefix(String(repeating: "0", count: 64)), now: later) == .notFound)
    }

    @Test func twoTokensWithOnePrefixAreToldApart() throws {
        let directory = TemporaryDirectory()
        let registry = try TokenRegistry(path: directory.file, mustExist: false)
        let first = try registry.issue(providerName: "m1", now: noon).record
        let second = try registry.issue(providerName: "m2", now: noon).record
        try look(directory.file).execute("UPDATE provider_tokens SET token_prefix = 'aaaaaa'")
        guard case .ambiguous(let found) = try registry.revoke(.prefix("aaaaaa"), now: noon) else {
            Issue.record("not ambiguous")
            return
        }
        #expect(found.map(\.id) == [first.id, second.id])
        #expect(try registry.list().allSatisfy { $0.revokedAt == nil })
        _ = try registry.revoke(.id(first.id), now: noon)
        guard case .revoked(let token) = try registry.revoke(.prefix("aaaaaa"), now: noon) else {
            Issue.record("the valid one is not taken")
            return
        }
        #expect(token.id == second.id)
    }

    @Test func aRunningStoreNoticesWhatAnotherProcessIssuesAndRevokes() throws {
        let directory = TemporaryDirectory()
        let witness = StoreWitness()
        let store = Store.busy(directory.file, witness)
        defer { store.stop() }
        let registry = try TokenRegistry(path: directory.file, mustExist: true)
        let (token, record) = try registry.issue(providerName: "m1", now: noon)
        let tokens = witness.notice { notice -> [TokenRecord]? in
            if case .tokensChanged(let tokens) = notice, !tokens.isEmpty { tokens } else { nil }
        }
        let known = try #require(tokens)
        #expect(known.map(\.id) == [record.id])
        let found = withByteView(token) { TokenTable(known).find($0) }
        #expect(found?.providerName == "m1")
        _ = try registry.revoke(.id(record.id), now: noon)
        let isEmptied = witness.notice { notice -> Bool? in
            if case .tokensChanged(let tokens) = notice, tokens.isEmpty { true } else { nil }
        }
        #expect(isEmptied == true)
    }

    @Test func theLastUseOfATokenIsKept() throws {
        let directory = TemporaryDirectory()
        let registry = try TokenRegistry(path: directory.file, mustExist: false)
        let record = try registry.issue(providerName: "m1", now: noon).record
        let store = Store.quiet(directory.file)
        #expect(store.records?.tokens.map(\.id) == [record.id])
        store.tokenUsed(record.id, at: noon + .seconds(1))
        store.tokenUsed(record.id, at: noon + .seconds(2))
        store.tokenUsed(1_000, at: noon)
        store.stop()
        #expect(try registry.list().map(\.lastUsedAt) == ["2026-09-21T14:13:22.000Z"])
    }

    @Test func aMissingFileIsNotMadeByAccident() {
        let directory = TemporaryDirectory()
        #expect(throws: DatabaseError.self) { try TokenRegistry(path: directory.file, mustExist: true) }
        #expect(directory.permissions == nil)
    }
}
