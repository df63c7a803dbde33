import Coordinator
import Pool
import Primitives
import Testing

@testable import Store

@Suite("What the store keeps")
struct RecordTests {
    @Test func aRowHasEveryColumn() throws {
        let directory = TemporaryDirectory()
        let store = Store.quiet(directory.file)
        defer { store.stop() }
        let session = UniqueID(high: 1, low: 2)
        store.requestFinished(
            RequestRecord(
                time: noon, requestID: "req-7", model: "naïve \u{1F600}", assignedID: session, providerID: "m1",
                promptTokens: 3, completionTokens: 4, totalTokens: 7, latency: .milliseconds(1250),
                routingTime: .microseconds(500), status: 502, isStream: true, buyerHost: "::1",
                error: "provider_failed",
                preference: "fast", wantedProvider: "m1", isRetried: true))
        store.requestFinished(
            RequestRecord(time: noon, requestID: "req-8", model: "", status: 404, isStream: false, buyerHost: ""))
        store.synchronize()
        let rows = try look(directory.file).rows(
            """
            SELECT ts_utc, request_id, model, provider_assigned_id, prompt_tokens, completion_tokens, total_tokens,
                latency_ms, routing_ms, status, stream, buyer_ip, error, pref_header, provider_header, retried
            FROM request_log ORDER BY id
            """, columns: 16)
        #expect(
            rows == [
                [
                    "2026-09-21T14:13:20.000Z", "req-7", "naïve \u{1F600}", session.text, "3", "4", "7", "1250.0",
                    "0.5",
                    "502", "1", "::1", "provider_failed", "fast", "m1", "1",
                ],
                [
                    "2026-09-21T14:13:20.000Z", "req-8", "", nil, nil, nil, nil, "0.0", "0.0", "404", "0", "", nil, nil,
                    nil, "0",
                ],
            ])
        #expect(store.health.writtenCount == 2)
        #expect(store.health.queuedCount == 0)
    }

    @Test func aProvisionalProviderIsKeptAndItsWorkCounted() throws {
        let directory = TemporaryDirectory()
        let witness = StoreWitness()
        let store = Store.quiet(directory.file, witness)
        defer { store.stop() }
        store.providerSeen(sighting("m1"))
        store.providerSeen(sighting("m1", at: noon + .seconds(60), version: "1.3.0"))
        store.synchronize()
        store.providerSeen(sighting("m1", at: noon + .seconds(120), version: "1.4.0"))
        for (status, tokens) in [(200, 7), (200, -5), (502, 100), (200, Int.max)] {
            var record = request(status: status)
            record.providerID = "m1"
            record.totalTokens = tokens
            store.requestFinished(record)
        }
        #expect(store.listProvisional(9))
        let answer = witness.notice { notice -> [ProvisionalRecord]? in
            if case .provisionalListed(9, let records) = notice { records } else { nil }
        }
        let record = try #require(answer?.first)
        #expect(answer?.count == 1)
        #expect(record.firstSeenAt == "2026-09-21T14:13:20.000Z")
        #expect(record.lastSeenAt == "2026-09-21T14:15:20.000Z")
        #expect(record.binaryVersion == "1.4.0")
        #expect(record.totalRequestsServed == 3)
        #expect(record.totalTokensServed == 7 + 1 << 32)
        #expect(record.promotedAt == nil)
    }

    @Test func decisionsOutliveTheProcess() throws {
        let directory = TemporaryDirectory()
        let first = Store.quiet(directory.file)
        #expect(first.records == StoredRecords())
        for id in ["seen", "promoted", "banned", "pardoned"] { first.providerSeen(sighting(id)) }
        first.providerPromoted("promoted", at: noon)
        first.providerRejected("banned", reason: "bad answers", at: noon)
        first.providerRejected("stranger", reason: nil, at: noon)
        first.providerRejected("pardoned", reason: nil, at: noon)
        first.synchronize()
        first.providerPromoted("pardoned", at: noon)
        first.stop()

        let second = Store.quiet(directory.file)
        defer { second.stop() }
        let admission = try #require(second.records?.admission)
        #expect(admission.provisional == ["seen", "banned"])
        #expect(admission.promoted == ["promoted", "pardoned"])
        #expect(admission.rejected == ["banned", "stranger"])
        let rejected = try look(directory.file).rows(
            "SELECT provider_id, reason, rejected_by, rejected_at FROM rejected_providers ORDER BY 1", columns: 4)
        #expect(
            rejected == [
                ["banned", "bad answers", "operator", "2026-09-21T14:13:20.000Z"],
                ["stranger", nil, "operator", "2026-09-21T14:13:20.000Z"],
            ])
    }

    @Test func aProviderUnseenForTooLongIsForgotten() throws {
        let directory = TemporaryDirectory()
        let first = Store.quiet(directory.file)
        first.providerSeen(sighting("old", at: noon))
        first.providerSeen(sighting("kept", at: noon + .seconds(86_400)))
        first.providerSeen(sighting("promoted", at: noon))
        first.providerPromoted("promoted", at: noon)
        first.poolSnapshot(Array("{}".utf8), at: noon)
        first.stop()
        let witness = StoreWitness()
        let second = Store.quiet(directory.file, witness) { $0.wallClock = { noon + .seconds(31 * 86_400) } }
        defer { second.stop() }
        #expect(second.records?.admission.provisional == ["kept"])
        second.synchronize()
        let forgotten = witness.notice { notice -> [String]? in
            if case .providersForgotten(let ids) = notice { ids } else { nil }
        }
        #expect(forgotten == ["old"])
        let database = try look(directory.file)
        #expect(
            try database.rows("SELECT provider_id FROM provisional_providers ORDER BY 1") == [["kept"], ["promoted"]])
        #expect(try database.integer("SELECT count(*) FROM pool_snapshots") == 0)
    }

    @Test func theLatestSnapshotIsKept() throws {
        let directory = TemporaryDirectory()
        let store = Store.quiet(directory.file)
        defer { store.stop() }
        store.poolSnapshot(Array("{\"pool\":[]}".utf8), at: noon)
        store.synchronize()
        #expect(
            try look(directory.file).rows("SELECT ts_utc, snapshot FROM pool_snapshots", columns: 2)
                == [["2026-09-21T14:13:20.000Z", "{\"pool\":[]}"]])
    }

    @Test func onlyTheOwnerMayReadTheFile() {
        let directory = TemporaryDirectory()
        let store = Store.quiet(directory.file)
        store.synchronize()
        store.stop()
        #expect(directory.permissions == 0o600)
    }
}
