import Coordinator
import Pool
import Primitives
import TestKit
import Testing
import WebSocketCodec

@Suite("A provider's session")
struct SessionTests {
    @Test func aProviderJoinsAndIsListed() throws {
        let world = SimulatedWorld()
        let provider = world.provider()
        #expect(provider.isLive)
        #expect(provider.messageTypes == ["hello_ack"])
        let connection = world.operatorConnection()
        connection.get("/poolz", fields: "Authorization: Bearer operator-key\r\n")
        connection.get("/healthz")
        connection.get("/poolz")
        #expect(world.wait(for: connection, answers: 3))
        let pool = connection.responses[0]
        #expect(pool.status == 200)
        #expect(pool.text.contains("\"assigned_id\":\"\(try #require(provider.assignedID))\""))
        #expect(pool.text.contains("\"routing_eligible\":true"))
        #expect(pool.text.contains("\"inference_path\":\"ws_tunneled\""))
        #expect(connection.responses[1].text.contains("\"pool_ready\":1"))
        #expect(connection.responses[2].status == 401)
        #expect(connection.responses[2].text.contains("\"code\":\"invalid_operator_token\""))
    }

    struct BadHello: Sendable, CustomTestStringConvertible {
        var text: String
        var code: UInt16
        var reason: String
        var testDescription: String { reason }
    }

    static let good = SimulatedProvider.hello(id: "m1")
    static let badHellos = [
        BadHello(text: "{", code: 1002, reason: "invalid JSON"),
        BadHello(text: "{\"type\":\"heartbeat\"}", code: 4000, reason: "unrecognized auth message"),
        BadHello(text: "[]", code: 4000, reason: "unrecognized auth message"),
        BadHello(
            text: good.replacingOccurrence(of: "\"provider_id\":\"m1\"", with: "\"provider_id\":\"a b\""), code: 4001,
            reason: "invalid_hello: provider_id"),
        BadHello(
            text: good.replacingOccurrence(of: "\"max_concurrency\":4", with: "\"max_concurrency\":0"), code: 4001,
            reason: "invalid_hello: max_concurrency"),
        BadHello(
            text: good.replacingOccurrence(of: "\"version\":1", with: "\"version\":3"), code: 4004,
            reason: "version_unsupported: protocol version 3"),
        BadHello(
            text: good.replacingOccurrence(of: "\"tier\":1", with: "\"tier\":2"), code: 4003,
            reason: "tier_unsupported: tier 2 not supported"),
    ]

    @Test(arguments: badHellos)
    func aBadHelloIsClosedWithItsCode(_ bad: BadHello) {
        let world = SimulatedWorld()
        let provider = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, hello: bad.text)
        #expect(world.run(upTo: .seconds(5)) { provider.end != nil })
        #expect(provider.close?.code == bad.code)
        #expect(provider.close?.reason == bad.reason)
        #expect(provider.frameFault == nil)
        #expect(world.leftovers == [])
    }

    @Test func silenceInTheHandshakeEndsItAndPingsDoNotHelp() {
        let world = SimulatedWorld()
        let provider = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, hello: "")
        let start = world.environment.now
        for second in 1...9 {
            _ = world.environment.schedule(at: start + .seconds(second)) { provider.sendPing([UInt8(second)]) }
        }
        #expect(world.run(upTo: .seconds(20)) { provider.end != nil })
        #expect(world.environment.now - start < .seconds(11))
        #expect(provider.pongs == (1...9).map { [UInt8($0)] })
        #expect(provider.close?.code == 1008)
        #expect(world.leftovers == [])
    }

    @Test func unauthenticatedConnectionsAreBounded() {
        var settings = SimulatedWorld.settings
        settings.providerLink.unauthenticatedConnectionCount = 3
        let world = SimulatedWorld(settings: settings)
        let waiting = (0..<3).map { _ in
            SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor, hello: "")
        }
        world.run(for: .seconds(1))
        #expect(waiting.allSatisfy { $0.phase == .greeting })
        let refused = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor)
        #expect(world.run(upTo: .seconds(1)) { refused.httpResponse != nil })
        #expect(refused.httpResponse?.status == 503)
        waiting[0].near.close()
        let admitted = world.provider("late")
        #expect(admitted.isLive)
    }

    @Test func aNewerSessionReplacesTheOlder() {
        let world = SimulatedWorld()
        let older = world.provider("m1") { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        _ = world.run(upTo: .seconds(1)) { older.requests.count == 1 }
        let newer = world.provider("m1")
        #expect(newer.isLive)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 502)
        #expect(older.close?.code == 1008)
        #expect(older.close?.reason == "replaced by a newer session")
        #expect(world.coordinator.sessionCount == 1)
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer, answers: 2))
        #expect(buyer.responses.last?.status == 200)
        #expect(world.leftovers == [])
    }

    @Test func anIdleSessionLivesForHoursOnPings() {
        let world = SimulatedWorld()
        let provider = world.provider()
        world.run(for: .seconds(6 * 3600))
        #expect(provider.isLive)
        #expect(provider.end == nil)
        #expect(provider.pingCount > 600)
        provider.sendPing([1, 2, 3])
        #expect(world.run(upTo: .seconds(1)) { provider.pongs == [[1, 2, 3]] })
    }

    @Test func aHalfOpenProviderIsGivenUp() {
        let world = SimulatedWorld()
        let provider = world.provider()
        provider.near.vanish()
        world.run(for: .seconds(100))
        #expect(world.coordinator.sessionCount == 0)
        #expect(world.coordinator.pool.counts.ready == 0)
    }

    @Test func everyPingIsAnsweredOnceAndTextsKeepTheirOrder() {
        for seed in 1...20 as ClosedRange<UInt64> {
            let world = SimulatedWorld(seed: seed)
            let provider = world.provider(slots: 200) { _, _ in }
            provider.near.outgoing.cutsAtRandom = true
            provider.near.outgoing.largestPiece = 700
            provider.far.outgoing.cutsAtRandom = true
            provider.far.outgoing.largestPiece = 300
            provider.far.outgoing.capacity = 2_000
            let buyers = (0..<60).map { _ in world.buyer() }
            for (number, buyer) in buyers.enumerated() {
                buyer.complete(model: "test-model", stream: true, content: "number-\(number)")
            }
            for number in 0..<200 { provider.sendPing([UInt8(number)]) }
            #expect(world.run(upTo: .seconds(60)) { provider.pongs.count == 200 && provider.requests.count == 60 })
            #expect(provider.frameFault == nil)
            #expect(provider.pongs.map { $0[0] } == (0..<200).map { UInt8($0) })
        }
    }

    /// More than a queue's bound of messages in one turn is no congestion as long as the socket takes them.
    @Test func aBusyTurnIsNoBackpressure() {
        var settings = SimulatedWorld.settings
        settings.providerLink.writer.waitingMessageCount = 4
        settings.providerLink.writer.waitingPongCount = 8
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider(slots: 64) { _, _ in }
        var burst: [UInt8] = []
        for number in 0..<100 {
            burst += RawFrame(opcode: RawFrame.ping, isMasked: true, payload: [UInt8(number)]).encoded()
        }
        provider.sendRaw(burst)
        #expect(world.run(upTo: .seconds(1)) { provider.pongs.count == 100 })
        // Twenty buyers that leave at once: twenty requests are waiting when their cancellations are queued.
        let buyers = (0..<20).map { _ in world.buyer() }
        for buyer in buyers { buyer.complete(model: "test-model", stream: false) }
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 20 })
        world.coordinator.startDrain(limit: .zero) {}
        #expect(world.run(upTo: .seconds(1)) { provider.cancelled.count == 20 })
        #expect(world.coordinator.metrics.messagesNotSent == 0)
    }

    @Test func aPeerThatStopsReadingIsCutAloneAtItsDeadline() {
        let world = SimulatedWorld()
        let others = (0..<50).map { world.provider("p\($0)", model: "other") }
        let stuck = world.provider("stuck", model: "stuck", slots: 64) { _, _ in }
        stuck.far.outgoing.isStalled = true
        stuck.far.outgoing.capacity = 1_000
        let buyers = (0..<4).map { _ in world.buyer() }
        for buyer in buyers {
            buyer.complete(model: "stuck", stream: true, content: String(repeating: "x", count: 2_000))
        }
        world.run(for: .seconds(1))
        let quick = world.buyer()
        for _ in 0..<50 { quick.complete(model: "other", stream: true) }
        #expect(world.wait(for: quick, answers: 50, limit: .seconds(5)))
        #expect(quick.responses.allSatisfy { $0.status == 200 })
        #expect(world.run(upTo: .seconds(15)) { !stuck.far.isOpen })
        #expect(world.coordinator.metrics.writeDeadlineDrops == 1)
        #expect(buyers.allSatisfy { world.wait(for: $0) && $0.responses.first?.status == 502 })
        #expect(others.allSatisfy { $0.isLive })
        #expect(world.leftovers == [])
    }

    @Test func backpressureIs503AndHarmsNobody() {
        var settings = SimulatedWorld.settings
        settings.providerLink.writer.waitingMessageCount = 4
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider(slots: 64) { _, _ in }
        provider.far.outgoing.isStalled = true
        provider.far.outgoing.capacity = 100
        let buyers = (0..<8).map { _ in world.buyer() }
        for buyer in buyers { buyer.complete(model: "test-model", stream: true) }
        #expect(world.run(upTo: .seconds(2)) { buyers.contains { !$0.responses.isEmpty } })
        world.run(for: .seconds(1))
        let refused = buyers.compactMap(\.responses.first)
        #expect(refused.allSatisfy { $0.status == 503 && $0.text.contains("\"code\":\"backpressure\"") })
        #expect(world.coordinator.pool.counts.ready == 1)
        provider.far.outgoing.isStalled = false
        provider.far.outgoing.capacity = 256 * 1024
        provider.far.scheduleDelivery()
        world.run(for: .seconds(2))
        #expect(provider.isLive)
        #expect(provider.requests.count == buyers.count - refused.count)
    }

    @Test func aCancelThatFindsNoRoomIsSentWhenThereIsSome() {
        var settings = SimulatedWorld.settings
        settings.providerLink.writer.waitingMessageCount = 4
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider(slots: 64) { _, _ in }
        provider.far.outgoing.isStalled = true
        provider.far.outgoing.capacity = 1024
        let buyers = (0..<4).map { _ in world.buyer() }
        for buyer in buyers {
            buyer.complete(model: "test-model", stream: true, content: String(repeating: "x", count: 16_000))
            world.run(for: .milliseconds(10))
        }
        for buyer in buyers { buyer.leave() }
        world.run(for: .seconds(1))
        provider.far.outgoing.isStalled = false
        provider.far.outgoing.capacity = 1024 * 1024
        provider.far.scheduleDelivery()
        #expect(world.run(upTo: .seconds(5)) { provider.cancelled.count == 4 })
        #expect(provider.requests.count == 4)
        #expect(Set(provider.cancelled.map(\.id)) == Set(provider.requests.map(\.id)))
        world.run(for: .seconds(11))
        #expect(world.leftovers == [])
    }

    @Test func aLongPromptIsAskedFirst() throws {
        var settings = SimulatedWorld.settings
        settings.routing.preflightThresholdTokens = 10
        let world = SimulatedWorld(settings: settings)
        let refusing = world.provider("a-refuses", slots: 1)
        let silent = world.provider("b-silent", slots: 2)
        let accepting = world.provider("c-accepts", slots: 8)
        refusing.onPreflight = { $0.sendPreflightAck($1, accepted: false) }
        silent.onPreflight = { _, _ in }
        accepting.onPreflight = { $0.sendPreflightAck($1, accepted: true) }
        let buyer = world.buyer()
        let start = world.environment.now
        buyer.complete(model: "test-model", stream: true, content: String(repeating: "word ", count: 30))
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 200)
        #expect(buyer.responses.first?.field("X-MacProvider-Provider") == "c-accepts")
        #expect(world.environment.now - start >= .seconds(5))
        #expect(world.environment.now - start < .seconds(6))
        #expect(refusing.requests.isEmpty && silent.requests.isEmpty)
        #expect(world.coordinator.pool.counts.ready == 3)
        #expect(world.leftovers == [])
    }

    @Test func aPromptThatAllRefuseIs503() {
        var settings = SimulatedWorld.settings
        settings.routing.preflightThresholdTokens = 10
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider()
        provider.onPreflight = { $0.sendPreflightAck($1, accepted: false) }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true, content: String(repeating: "word ", count: 30))
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 503)
        #expect(buyer.responses.first?.text.contains("\"code\":\"preflight_rejected\"") == true)
        #expect(world.leftovers == [])
    }

    @Test func aBuyerWhoLeavesDuringThePreflightCostsNothing() {
        var settings = SimulatedWorld.settings
        settings.routing.preflightThresholdTokens = 10
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider()
        var asked = 0
        provider.onPreflight = { _, _ in asked += 1 }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true, content: String(repeating: "word ", count: 30))
        #expect(world.run(upTo: .seconds(1)) { asked == 1 })
        buyer.leave()
        world.run(for: .seconds(1))
        #expect(world.leftovers == [])
        #expect(provider.requests.isEmpty)
    }

    @Test func aProviderThatDoesNotKnowRequestsIsPassedOver() {
        let world = SimulatedWorld()
        _ = world.provider { provider, request in
            provider.sendText(
                "{\"type\":\"nak\",\"in_reply_to\":\"inference_request\",\"error\":{\"code\":\"unknown_message_type\",\"message\":\"?\"}}"
            )
        }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 503)
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer, answers: 2))
        #expect(buyer.responses.last?.status == 503)
        #expect(world.leftovers == [])
    }

    @Test func aNakForACancelledRequestFreesItsSlot() throws {
        let world = SimulatedWorld()
        let provider = world.provider { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        buyer.leave()
        #expect(world.run(upTo: .seconds(1)) { provider.cancelled.count == 1 })
        let id = try #require(provider.requests.first?.id)
        provider.sendText(
            "{\"type\":\"nak\",\"in_reply_to\":\"inference_request\",\"request_id\":\"\(id)\","
                + "\"error\":{\"code\":\"unknown_message_type\",\"message\":\"?\"}}")
        world.run(for: .seconds(11))
        #expect(world.leftovers == [])
    }

    @Test func aPipelinedRequestDoesNotGoToASessionThatEnds() throws {
        var settings = SimulatedWorld.settings
        settings.routing.preflightThresholdTokens = 10
        let world = SimulatedWorld(settings: settings)
        let provider = world.provider { _, _ in }
        provider.onPreflight = { _, _ in }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true, content: String(repeating: "word ", count: 30))
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.preflights.count == 1 })
        provider.near.reset()
        #expect(world.wait(for: buyer, answers: 2, limit: .seconds(4)))
        #expect(buyer.responses.map(\.status) == [503, 503])
        #expect(world.leftovers == [])
    }

    @Test(arguments: [
        "{\"type\":\"no_such_type\"}", "{\"type\":\"heartbeat\"}", "{}", "not JSON",
    ])
    func whatIsNotUnderstoodIsNoSignOfLife(_ text: String) {
        let world = SimulatedWorld()
        let provider = world.provider()
        provider.answersPings = false
        for second in stride(from: 5, to: 120, by: 5) {
            _ = world.environment.schedule(at: world.environment.now + .seconds(second)) {
                if provider.near.isOpen { provider.sendText(text) }
            }
        }
        world.run(for: .seconds(100))
        #expect(provider.phase == .closed)
        #expect(world.coordinator.metrics.silenceDrops == 1)
    }

    @Test func aFailedProviderIsProbedBackToReady() {
        let world = SimulatedWorld()
        let provider = world.provider { $0.sendEnd($1.id, status: "error_internal") }
        provider.onPreflight = { $0.sendPreflightAck($1, accepted: true) }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.responses.first?.status == 502)
        #expect(world.coordinator.pool.counts.degraded == 1)
        world.run(for: .seconds(31))
        #expect(provider.preflights.first?.hasPrefix("recovery-probe-") == true)
        #expect(world.coordinator.pool.counts.ready == 1)
    }

    @Test func aMachineThatSleptIsWarmedUp() {
        let world = SimulatedWorld()
        let provider = world.provider()
        provider.sendHeartbeat()
        world.run(for: .seconds(125))
        provider.sendHeartbeat()
        #expect(world.run(upTo: .seconds(1)) { provider.messageTypes.contains("warm_up") })
        #expect(world.coordinator.pool.counts.degraded == 1)
        provider.sendText("{\"type\":\"state_update\",\"state\":\"ready\"}")
        world.run(for: .seconds(1))
        #expect(world.coordinator.pool.counts.ready == 1)
    }
}

extension String {
    func replacingOccurrence(of part: String, with other: String) -> String {
        guard let range = firstRange(of: part) else { return self }
        return String(self[..<range.lowerBound]) + other + String(self[range.upperBound...])
    }
}
