import Coordinator
import Crypto
import Pool
import Primitives
import TestKit
import Testing

@Suite("What the storage is told")
struct JournalTests {
    @Test func everyRequestThatWasUnderstoodLeavesOneRow() throws {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        let provider = world.provider("m1") { provider, request in
            if request.body.contains("hello") { provider.answer(request, chunks: 2) }
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true, fields: "X-MacProvider-Pref: fast\r\n")
        #expect(world.wait(for: buyer))
        buyer.complete(model: "test-model", stream: false, fields: "X-MacProvider-Provider: m1\r\n")
        #expect(world.wait(for: buyer, answers: 2))
        buyer.complete(model: "no-such-model", stream: false)
        #expect(world.wait(for: buyer, answers: 3))
        buyer.post("{")
        #expect(world.wait(for: buyer, answers: 4))
        let leaver = world.buyer()
        leaver.complete(model: "test-model", stream: true, content: "wait")
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 3 })
        leaver.leave()
        world.run(for: .seconds(1))

        #expect(journal.requests.map(\.status) == [200, 200, 404, 499])
        let first = try #require(journal.requests.first)
        #expect(first.requestID == provider.requests[0].id)
        #expect(first.assignedID?.text == provider.assignedID)
        #expect(first.providerID == "m1")
        #expect(first.model == "test-model")
        #expect(first.isStream)
        #expect(first.buyerHost == "198.51.100.7")
        #expect((first.promptTokens, first.completionTokens, first.totalTokens) == (3, 2, 5))
        #expect(first.preference == "fast")
        #expect(first.wantedProvider == nil)
        #expect(first.error == nil)
        #expect(!first.isRetried)
        #expect(first.latency > .zero)
        #expect(journal.requests[1].wantedProvider == "m1")
        #expect(journal.requests[1].preference == nil)
        #expect(!journal.requests[1].isStream)
        #expect(journal.requests[2].error == "model_not_found")
        #expect(journal.requests[2].assignedID == nil)
        #expect(journal.requests[3].error == "buyer_disconnected")
        #expect(Set(journal.requests.map(\.requestID)).count == 4)
    }

    @Test func aRequestThatASecondProviderTookIsMarked() {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        let full = world.provider("full", slots: 1) { $0.sendEnd($1.id, status: "error_queue_full") }
        let free = world.provider("free")
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: false)
        #expect(world.wait(for: buyer))
        #expect(full.requests.count == 1)
        #expect(journal.requests.map(\.isRetried) == [true])
        #expect(journal.requests.first?.assignedID?.text == free.assignedID)
    }

    @Test func provisionalProvidersAreSeenWhenTheyComeStayAndGo() {
        let journal = RecordingJournal()
        var settings = SimulatedWorld.settings
        settings.pool.admission.pinned["own"] = PinnedProvider()
        settings.storage.snapshotInterval = .seconds(300)
        let world = SimulatedWorld(settings: settings, journal: journal)
        let provider = world.provider("m1")
        let pinned = world.provider("own")
        #expect(journal.sightings.map(\.providerID) == ["m1"])
        #expect(journal.sightings.first?.binaryVersion == "1.2.0")
        world.run(for: .seconds(601))
        #expect(journal.snapshots.count == 2)
        #expect(journal.snapshots.last?.contains("\"provider_id\":\"own\"") == true)
        #expect(journal.sightings.map(\.providerID) == ["m1", "m1", "m1"])
        provider.near.close()
        pinned.near.close()
        world.run(for: .seconds(1))
        #expect(journal.sightings.count == 4)
    }

    @Test func withoutSnapshotsAConnectedProviderIsStillSeen() {
        let journal = RecordingJournal()
        var settings = SimulatedWorld.settings
        settings.storage.snapshotInterval = nil
        let world = SimulatedWorld(settings: settings, journal: journal)
        _ = world.provider("m1")
        world.run(for: .seconds(86_400))
        #expect(journal.snapshots.isEmpty)
        #expect(journal.sightings.count > 12)
    }

    @Test func tokensOpenTheDoorToTheirOwnerOnly() {
        let journal = RecordingJournal()
        let token = String(repeating: "ab", count: 32)
        let record = TokenRecord(
            id: 7, digest: withByteView(token) { SHA256.digest(of: $0) }, providerName: "m1")
        let world = SimulatedWorld(tokens: [record], journal: journal)
        func join(_ id: String, _ token: String) -> SimulatedProvider {
            world.join(
                SimulatedProvider(
                    world.environment, to: world.coordinator.providerAcceptor, id: id,
                    fields: "Authorization: Bearer \(token)\r\n"))
        }
        let owner = join("m1", token)
        #expect(owner.isLive)
        #expect(journal.usedTokens == [7])
        let thief = join("m2", token)
        #expect(thief.close?.code == 4005)
        let wrong = SimulatedProvider(
            world.environment, to: world.coordinator.providerAcceptor, id: "m1",
            fields: "Authorization: Bearer \(String(repeating: "ba", count: 32))\r\n")
        #expect(world.run(upTo: .seconds(1)) { wrong.httpResponse != nil })
        #expect(wrong.httpResponse?.status == 401)
        #expect(wrong.httpResponse?.text.contains("\"code\":\"invalid_token\"") == true)

        world.coordinator.tokensChanged([])
        let revoked = SimulatedProvider(
            world.environment, to: world.coordinator.providerAcceptor, id: "m1",
            fields: "Authorization: Bearer \(token)\r\n")
        #expect(world.run(upTo: .seconds(1)) { revoked.httpResponse != nil })
        #expect(revoked.httpResponse?.status == 401)
        #expect(owner.isLive)
    }

    @Test func aDigestIsComparedToItsLastByte() {
        let digest = withByteView("token") { SHA256.digest(of: $0) }
        var other = digest
        other[31] ^= 1
        func find(_ digests: [[UInt8]]) -> Int64? {
            let table = TokenTable(
                digests.enumerated().map { TokenRecord(id: Int64($0), digest: $1, providerName: "m1") })
            return withByteView("token") { table.find($0)?.id }
        }
        #expect(find([other]) == nil)
        #expect(find([other, digest]) == 1)
        #expect(find([Array(digest.prefix(8)), Array(digest.prefix(31)), []]) == nil)
        #expect(find([]) == nil)
    }

    @Test func recordsThatCouldBeReadOnlyLaterStillCount() {
        let journal = RecordingJournal()
        var settings = SimulatedWorld.settings
        settings.pool.admission.provisionalRatePerHour = 2
        let world = SimulatedWorld(settings: settings, journal: journal)
        let banned = world.provider("banned")
        _ = world.provider("m1")
        #expect(world.provider("m2").close?.code == 4008)
        var records = AdmissionRecords()
        records.rejected = ["banned"]
        records.provisional = ["m2"]
        records.promoted = ["m3"]
        world.coordinator.recordsLoaded(records)
        #expect(world.run(upTo: .seconds(1)) { banned.end != nil })
        #expect(banned.close?.code == 4009)
        #expect(world.provider("m2").isLive)
        #expect(world.provider("m3").isLive)
        world.coordinator.providersForgotten(["m2", "m4"])
        #expect(world.coordinator.pool.standing(of: "m2") == .provisional)
    }

    @Test func healthTellsHowTheStorageIs() {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        let connection = world.operatorConnection()
        connection.get("/healthz")
        #expect(world.wait(for: connection))
        journal.health.status = .degraded(reason: "full")
        journal.health.droppedCount = 3
        connection.get("/healthz")
        connection.get("/metrics", fields: AdminTests.key)
        #expect(world.wait(for: connection, answers: 3))
        #expect(connection.responses[0].text.contains("\"storage\":\"ok\"}"))
        #expect(connection.responses[1].status == 200)
        #expect(connection.responses[1].text.contains("\"storage\":\"degraded\",\"storage_reason\":\"full\""))
        #expect(connection.responses[2].text.contains("trunkline_storage_degraded 1\n"))
        #expect(connection.responses[2].text.contains("trunkline_storage_dropped_total 3\n"))
    }
}
