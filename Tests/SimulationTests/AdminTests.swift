import Coordinator
import Pool
import Primitives
import TestKit
import Testing

@Suite("An operator's orders")
struct AdminTests {
    static let key = "Authorization: Bearer operator-key\r\n"

    private func order(
        _ world: SimulatedWorld, _ path: String, method: String = "POST", body: String = "", fields: String = key
    ) -> PlainResponseReader.Response? {
        let connection = world.operatorConnection()
        connection.send(
            "\(method) \(path) HTTP/1.1\r\nHost: trunkline.test\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        _ = world.wait(for: connection, limit: .seconds(20))
        return connection.responses.first
    }

    @Test(arguments: [
        ("POST", "/admin/blacklist"), ("GET", "/admin/provisional"), ("POST", "/admin/promote/m1"),
        ("POST", "/admin/reject/m1"),
    ])
    func everyOrderNeedsTheKey(_ method: String, _ path: String) {
        let world = SimulatedWorld()
        let provider = world.provider("m1")
        for fields in ["", "Authorization: Bearer operator-kez\r\n", "Authorization: Bearer \r\n"] {
            let answer = order(world, path, method: method, body: "{\"provider_id\":\"m1\"}", fields: fields)
            #expect(answer?.status == 401)
            #expect(answer?.text.contains("\"code\":\"invalid_operator_token\"") == true)
        }
        #expect(provider.messageTypes == ["hello_ack"])
        #expect(world.coordinator.pool.standing(of: "m1") == .provisional)
    }

    @Test(arguments: [
        ("GET", "/admin/blacklist", 405), ("POST", "/admin/provisional", 405), ("GET", "/admin/promote/m1", 405),
        ("DELETE", "/admin/reject/m1", 405), ("POST", "/admin/promote", 404), ("POST", "/admin/reject/m1/now", 404),
        ("GET", "/admin", 404),
    ])
    func otherPathsAndMethodsAreRefused(_ method: String, _ path: String, _ status: Int) {
        #expect(order(SimulatedWorld(), path, method: method)?.status == status)
    }

    // MARK: Blacklist

    @Test(arguments: [true, false])
    func aBlacklistedProviderDrainsAndIsClosedWhenItIsDone(_ byAssignedID: Bool) throws {
        let world = SimulatedWorld()
        let provider = world.provider("m1") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        let assignedID = try #require(provider.assignedID)
        let name = byAssignedID ? "\"assigned_id\":\"\(assignedID)\"" : "\"provider_id\":\"m1\""
        let answer = try #require(order(world, "/admin/blacklist", body: "{\(name),\"reason\":\"too hot\"}"))
        #expect(answer.status == 200)
        #expect(
            answer.text
                == "{\"status\":\"draining\",\"provider_id\":\"m1\",\"assigned_id\":\"\(assignedID)\",\"drain_sent\":true}"
        )
        #expect(provider.messageTypes.last == "drain")
        #expect(world.coordinator.pool.counts.draining == 1)

        let late = world.buyer()
        late.complete(model: "test-model", stream: true)
        #expect(world.wait(for: late))
        #expect(late.responses.first?.status == 503)

        provider.answer(provider.requests[0])
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 200)
        provider.sendText("{\"type\":\"drain_status\",\"phase\":\"complete\",\"inflight_requests\":0}")
        #expect(world.run(upTo: .seconds(1)) { provider.end != nil })
        #expect(provider.close?.code == 1000)
        #expect(world.coordinator.pool.counts.total == 0)
        #expect(world.provider("m1").isLive)
        #expect(world.leftovers == [])
    }

    @Test func aBlacklistedProviderThatSaysNothingIsClosedAfterAMinute() {
        let world = SimulatedWorld()
        let provider = world.provider("m1") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: false)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        #expect(order(world, "/admin/blacklist", body: "{\"provider_id\":\"m1\"}")?.status == 200)
        world.run(for: .seconds(58))
        #expect(provider.end == nil)
        #expect(world.run(upTo: .seconds(3)) { provider.end != nil })
        #expect(provider.close?.code == 1001)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 502)
        #expect(world.leftovers == [])
    }

    @Test(arguments: [
        ("{\"provider_id\":\"m2\"}", 404, "provider_not_found"),
        ("{\"assigned_id\":\"no-uuid\"}", 404, "provider_not_found"),
        ("{}", 400, "invalid_request"), ("[]", 400, "invalid_request"), ("", 400, "invalid_json"),
        ("{\"provider_id\":7}", 400, "invalid_request"),
        ("{\"provider_id\":\"m1\",\"reason\":[]}", 400, "invalid_request"),
    ])
    func aBlacklistOrderThatFitsNobodyIsRefused(_ body: String, _ status: Int, _ code: String) {
        let world = SimulatedWorld()
        let provider = world.provider("m1")
        let answer = order(world, "/admin/blacklist", body: body)
        #expect(answer?.status == status)
        #expect(answer?.text.contains("\"code\":\"\(code)\"") == true)
        #expect(provider.messageTypes == ["hello_ack"])
    }

    // MARK: Promote

    @Test func aPromotedProviderIsPinnedAtOnceAndOnRecord() {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        _ = world.provider("m1")
        let answer = order(world, "/admin/promote/m1")
        #expect(answer?.status == 200)
        #expect(
            answer?.text.hasPrefix(
                "{\"provider_id\":\"m1\",\"previous_tier\":\"provisional\",\"new_tier\":\"pinned\",\"note\":\"") == true
        )
        #expect(journal.promoted == ["m1"])
        #expect(world.coordinator.pool.entries.first?.tier == .pinned)
        let again = order(world, "/admin/promote/m1")
        #expect(again?.status == 409)
        #expect(again?.text.contains("\"code\":\"already_pinned\"") == true)
        let unknown = order(world, "/admin/promote/m2")
        #expect(unknown?.status == 404)
        #expect(unknown?.text.contains("\"code\":\"provider_not_found\"") == true)
        #expect(journal.promoted == ["m1"])
    }

    // MARK: Reject

    @Test func aRejectedProviderFinishesItsWorkThenGets4009() throws {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        let provider = world.provider("m1") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        let answer = try #require(order(world, "/admin/reject/m1", body: "{\"reason\":\"bad answers\"}"))
        #expect(answer.status == 200)
        #expect(
            answer.text.hasPrefix("{\"provider_id\":\"m1\",\"status\":\"rejected\",\"drain_sent\":true,\"note\":\""))
        #expect(journal.rejected.map(\.providerID) == ["m1"])
        #expect(journal.rejected.first?.reason == "bad answers")
        world.run(for: .seconds(5))
        #expect(provider.end == nil)
        provider.answer(provider.requests[0])
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 200)
        #expect(world.run(upTo: .seconds(1)) { provider.end != nil })
        #expect(provider.messageTypes.last == "drain")
        #expect(provider.close?.code == 4009)
        #expect(provider.close?.reason == "banned: provider m1 has been rejected by operator")
        #expect(provider.frameFault == nil)

        let again = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, id: "m1")
        #expect(world.run(upTo: .seconds(5)) { again.end != nil })
        #expect(again.close?.code == 4009)
        #expect(again.assignedID == nil)
        #expect(world.leftovers == [])
    }

    @Test func anIdleProviderIsClosedAtOnceAndABusyOneAfterAMinute() {
        let world = SimulatedWorld()
        let idle = world.provider("idle", model: "other-model")
        let busy = world.provider("busy") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: false)
        #expect(world.run(upTo: .seconds(1)) { busy.requests.count == 1 })
        #expect(order(world, "/admin/reject/idle")?.status == 200)
        #expect(order(world, "/admin/reject/busy")?.status == 200)
        world.run(for: .seconds(1))
        #expect(idle.close?.code == 4009)
        #expect(busy.close == nil)
        #expect(world.run(upTo: .seconds(61)) { busy.end != nil })
        #expect(busy.close?.code == 4009)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 502)
        #expect(world.leftovers == [])
    }

    @Test func anUnknownIDCanBeBannedAndABannedOnePromoted() {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        #expect(order(world, "/admin/reject/ghost")?.text.contains("\"drain_sent\":false") == true)
        #expect(order(world, "/admin/reject/a%20b")?.status == 404)
        #expect(journal.rejected.map(\.providerID) == ["ghost"])
        #expect(world.provider("ghost").close?.code == 4009)
        #expect(order(world, "/admin/promote/ghost")?.text.contains("\"previous_tier\":\"rejected\"") == true)
        #expect(world.provider("ghost").isLive)
    }

    // MARK: List

    @Test func theListComesFromTheStorage() {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        _ = world.provider("m1")
        let connection = world.operatorConnection()
        connection.get("/admin/provisional", fields: Self.key)
        #expect(world.run(upTo: .seconds(1)) { journal.waitingListings.count == 1 })
        journal.answerListing([
            ProvisionalRecord(
                providerID: "m1", hostname: "host.test", modelID: "test-model", binaryVersion: "1.2.0",
                firstSeenAt: "2026-06-01T10:00:00.000Z", lastSeenAt: "2026-06-01T12:30:00.000Z",
                totalRequestsServed: 42, totalTokensServed: 8400),
            ProvisionalRecord(
                providerID: "m0", hostname: nil, modelID: nil, binaryVersion: nil,
                firstSeenAt: "2026-05-01T10:00:00.000Z", lastSeenAt: "2026-05-01T12:30:00.000Z",
                promotedAt: "2026-05-02T00:00:00.000Z"),
        ])
        #expect(world.wait(for: connection))
        #expect(
            connection.responses.first?.text
                == "{\"provisional\":[{\"provider_id\":\"m1\",\"hostname\":\"host.test\",\"model_id\":\"test-model\","
                + "\"binary_version\":\"1.2.0\",\"first_seen_at\":\"2026-06-01T10:00:00.000Z\","
                + "\"last_seen_at\":\"2026-06-01T12:30:00.000Z\",\"total_requests_served\":42,"
                + "\"total_tokens_served\":8400,\"currently_connected\":true,\"promoted_at\":null,\"notes\":null},"
                + "{\"provider_id\":\"m0\",\"hostname\":null,\"model_id\":null,\"binary_version\":null,"
                + "\"first_seen_at\":\"2026-05-01T10:00:00.000Z\",\"last_seen_at\":\"2026-05-01T12:30:00.000Z\","
                + "\"total_requests_served\":0,\"total_tokens_served\":0,\"currently_connected\":false,"
                + "\"promoted_at\":\"2026-05-02T00:00:00.000Z\",\"notes\":null}],"
                + "\"summary\":{\"total_provisional\":2,\"currently_connected\":1,\"promoted\":1}}")
    }

    @Test func aStorageThatFailsOrSaysNothingIs503AndAnswersNobodyElse() {
        let journal = RecordingJournal()
        let world = SimulatedWorld(journal: journal)
        let connection = world.operatorConnection()
        connection.get("/admin/provisional", fields: Self.key)
        #expect(world.wait(for: connection, limit: .seconds(11)))
        #expect(connection.responses.first?.status == 503)
        connection.get("/admin/provisional", fields: Self.key)
        #expect(world.run(upTo: .seconds(1)) { journal.waitingListings.count == 2 })
        journal.answerListing([])
        world.run(for: .seconds(1))
        #expect(connection.responses.count == 1)
        journal.answerListing(nil)
        #expect(world.wait(for: connection, answers: 2))
        #expect(connection.responses.last?.text.contains("\"code\":\"storage_unavailable\"") == true)
    }

    @Test func withoutAStorageTheListNamesWhoIsConnected() {
        let world = SimulatedWorld()
        _ = world.provider("m1")
        let answer = order(world, "/admin/provisional", method: "GET")
        #expect(answer?.text.contains("\"provider_id\":\"m1\"") == true)
        #expect(answer?.text.contains("\"currently_connected\":1,\"promoted\":0") == true)
    }
}
