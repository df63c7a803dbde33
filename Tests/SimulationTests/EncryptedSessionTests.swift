import Agent
import Coordinator
import Environment
import Pool
import Primitives
import ProviderProtocol
import TestKit
import Testing

@Suite("A session of version 2")
struct EncryptedSessionTests {
    private static func world(seed: UInt64 = 1, _ change: (inout CoordinatorSettings) -> Void = { _ in })
        -> SimulatedWorld
    {
        var settings = SimulatedWorld.settings
        change(&settings)
        return SimulatedWorld(seed: seed, settings: settings)
    }

    private static func join(_ world: SimulatedWorld, _ agent: AgentInPool) -> Bool {
        world.run(upTo: .seconds(30)) { agent.agent.isConnected && world.coordinator.pool.counts[.ready] == 1 }
    }

    // MARK: The real agent

    @Test func nothingOfARequestIsReadableOnTheWay() throws {
        let world = Self.world()
        let engine = ClockworkEngine(world.environment)
        let agent = AgentInPool(world.environment, world.coordinator.providerAcceptor, engine: engine)
        #expect(Self.join(world, agent))
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true, content: "HIDDEN-PROMPT")
        #expect(world.wait(for: buyer))
        buyer.complete(model: "test-model", stream: false, content: "HIDDEN-PROMPT")
        #expect(world.wait(for: buyer, answers: 2))
        #expect(buyer.responses.map(\.status) == [200, 200])
        #expect(buyer.responses[0].text.components(of: ClockworkEngine.word) == 5)
        #expect(buyer.responses[0].text.hasSuffix("data: [DONE]\n\n"))
        #expect(buyer.responses[1].text == "{\"text\":\"SECRET-WORD\"}")
        #expect(engine.bodies.allSatisfy { $0.contains("HIDDEN-PROMPT") })
        let wire = agent.wire
        #expect(wire.sent.components(of: "\"encrypted\":true") == 8)
        #expect(wire.received.components(of: "\"encrypted\":true") == 2)
        for text in [wire.sent, wire.received] {
            #expect(!text.contains(ClockworkEngine.word))
            #expect(!text.contains("HIDDEN"))
            #expect(!text.contains("\"data\""))
            #expect(!text.contains("\"body\""))
        }
        #expect(world.leftovers == [])
    }

    /// Four buyers who never pause and one provider who gets new keys every five requests: nobody notices.
    @Test(arguments: UInt64(1)...3) func newKeysUnderLoadFailNobody(seed: UInt64) throws {
        let world = Self.world(seed: seed) { $0.tier2.rekeyAfterRequests = 5 }
        let engine = ClockworkEngine(world.environment)
        let agent = AgentInPool(world.environment, world.coordinator.providerAcceptor, engine: engine)
        #expect(Self.join(world, agent))
        let buyers = (0..<4).map { _ in world.buyer() }
        for round in 1...50 {
            for (index, buyer) in buyers.enumerated() {
                buyer.complete(model: "test-model", stream: (round + index) % 3 != 0)
            }
            // The buyers drift apart, so that a rekey begins while some are in the middle of an answer.
            for (index, buyer) in buyers.enumerated() where index % 2 == round % 2 {
                #expect(world.wait(for: buyer, answers: round))
            }
            if round % 2 == 0 { for buyer in buyers { #expect(world.wait(for: buyer, answers: round)) } }
        }
        for buyer in buyers {
            #expect(world.wait(for: buyer, answers: 50))
            #expect(buyer.responses.allSatisfy { $0.status == 200 && $0.text.contains(ClockworkEngine.word) })
        }
        #expect(world.coordinator.metrics.rekeys >= 30)
        #expect(world.coordinator.metrics.rekeysFailed == 0)
        // All over one connection.
        #expect(agent.connections.count == 1)
        #expect(agent.connections[0].far.ruleViolation == nil)
        #expect(world.leftovers == [])
    }

    @Test func keysThatHaveTheirAgeAreChanged() throws {
        let world = Self.world { $0.tier2.rekeyAfter = .seconds(60) }
        let agent = AgentInPool(
            world.environment, world.coordinator.providerAcceptor, engine: ClockworkEngine(world.environment))
        #expect(Self.join(world, agent))
        world.run(for: .seconds(610))
        #expect(world.coordinator.metrics.rekeys == 10)
        #expect(agent.connections.count == 1)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.latest?.status == 200)
    }

    @Test func aCoordinatorThatStartsAgainIsFoundAgain() throws {
        let world = Self.world()
        let engine = ClockworkEngine(world.environment)
        engine.pace = .seconds(1)
        let agent = AgentInPool(world.environment, world.coordinator.providerAcceptor, engine: engine)
        #expect(Self.join(world, agent))
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        world.run(for: .seconds(2))
        // The process dies: its sockets with it, and all keys.
        let restarted = Coordinator(settings: SimulatedWorld.settings, environment: world.environment)
        agent.acceptor = restarted.providerAcceptor
        agent.connections[0].far.reset()
        #expect(
            world.run(upTo: .seconds(60)) { restarted.pool.counts[.ready] == 1 && agent.agent.isConnected })
        let second = SimulatedBuyer(world.environment, to: restarted.buyerAcceptor)
        second.complete(model: "test-model", stream: true)
        #expect(world.wait(for: second))
        #expect(second.latest?.status == 200)
        #expect(!agent.wire.sent.contains(ClockworkEngine.word))
    }

    @Test func aHundredLossesInARowEndInThePool() throws {
        let world = Self.world()
        let agent = AgentInPool(
            world.environment, world.coordinator.providerAcceptor, engine: ClockworkEngine(world.environment))
        for number in 1...100 {
            #expect(world.run(upTo: .seconds(130)) { agent.connections.count == number })
            // At every stage: before the upgrade, between the messages of the handshake, and live.
            world.run(for: .microseconds(Int64(number) * 17 % 700))
            agent.connections[number - 1].near.reset()
        }
        #expect(world.run(upTo: .seconds(200)) { agent.connections.count == 101 && agent.agent.isConnected })
        #expect(world.coordinator.pool.counts[.ready] == 1)
        #expect(world.coordinator.sessionCount == 1)
        #expect(world.leftovers == [])
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.latest?.status == 200)
    }

    // MARK: Handshake

    @Test func theAnswerNamesWhatWasAgreed() throws {
        let world = Self.world {
            $0.tier2.rekeyAfterRequests = 7
            $0.tier2.rekeyAfter = .seconds(90)
        }
        let provider = try world.encryptedProvider()
        let acceptance = try #require(provider.acceptance)
        #expect(acceptance.assignedID == provider.simulated.assignedID)
        #expect(acceptance.tier == "provisional")
        #expect((acceptance.rekeyAfterRequests, acceptance.rekeyAfterSeconds) == (7, 90))
        #expect(acceptance.responseChunkPlaintextEnvelope && acceptance.inBandAEADRekeyV1)
        #expect(acceptance.attestationStatus == "not_required" && !acceptance.ramTierAttested)
        #expect(world.coordinator.pool.counts[.ready] == 1)
    }

    @Test(arguments: [true, false]) func chunksWorkInBothForms(envelope: Bool) throws {
        let world = Self.world()
        var capabilities = ProviderHandshake.capabilities
        capabilities.responseChunkPlaintextEnvelope = envelope
        let provider = try world.encryptedProvider(capabilities: capabilities)
        #expect(provider.acceptance?.responseChunkPlaintextEnvelope == envelope)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        let request = try #require(provider.requests.first)
        #expect(
            buyer.latest?.text == (0..<3).map { SimulatedProvider.event(request.id, $0) }.joined() + "data: [DONE]\n\n")
        buyer.complete(model: "test-model", stream: false)
        #expect(world.wait(for: buyer, answers: 2))
        #expect(buyer.latest?.status == 200)
        #expect(world.coordinator.metrics.chunkCountMismatches == 0)
        #expect(world.leftovers == [])
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        var name: String
        var code: UInt16
        var reason: String
        var rejection: String?
        var settings: @Sendable (inout CoordinatorSettings) -> Void = { _ in }
        var proof: @Sendable (AuthProof) -> AuthProof? = { $0 }
        var publicKey: String?
        var testDescription: String { name }
    }

    static let refused: [Refused] = [
        Refused(
            name: "another attempt", code: 4012, reason: "tier2_attestation_failed",
            rejection: "tier2_attestation_failed", proof: { AuthProof(authAttemptID: "x", providerID: $0.providerID) }),
        Refused(
            name: "another provider", code: 4012, reason: "tier2_attestation_failed",
            rejection: "tier2_attestation_failed",
            proof: { AuthProof(authAttemptID: $0.authAttemptID, providerID: "x") }),
        Refused(
            name: "attestation required", code: 4012, reason: "tier2_attestation_failed",
            rejection: "tier2_attestation_failed", settings: { $0.tier2.requiresAttestation = true }),
        Refused(
            name: "malformed proof", code: 4001, reason: "invalid_auth_request: version",
            rejection: "invalid_auth_request",
            proof: { AuthProof(version: 1, authAttemptID: $0.authAttemptID, providerID: $0.providerID) }),
        Refused(
            name: "no key", code: 4013, reason: "tier2_key_exchange_failed", publicKey: "AAAA"),
        Refused(
            name: "a key of small order", code: 4013, reason: "tier2_key_exchange_failed",
            publicKey: String(repeating: "A", count: 43)),
        Refused(
            name: "pool full", code: 4429, reason: "pool_full", settings: { $0.pool.maxProviders = 0 }),
        Refused(
            name: "provisional pool full", code: 4007,
            reason: "provisional_pool_full: max 0 provisional providers reached",
            settings: { $0.pool.admission.maxProvisionalProviders = 0 }),
    ]

    @Test(arguments: refused) func whoDoesNotFitIsRefused(_ refused: Refused) throws {
        let world = Self.world { refused.settings(&$0) }
        let provider = try EncryptedProvider(world, publicKey: refused.publicKey)
        provider.proof = refused.proof
        #expect(world.run(upTo: .seconds(8)) { provider.simulated.end != nil })
        #expect(provider.simulated.close?.code == refused.code)
        #expect(provider.simulated.close?.reason == refused.reason)
        #expect(provider.rejection?.code == refused.rejection)
        #expect(world.coordinator.sessionCount == 0)
        #expect(world.leftovers == [])
    }

    @Test func aMessageInPlaceOfTheProofIsRefused() throws {
        let world = Self.world()
        let provider = try EncryptedProvider(world)
        provider.proof = { _ in
            provider.simulated.sendHeartbeat()
            return nil
        }
        #expect(world.run(upTo: .seconds(8)) { provider.simulated.end != nil })
        #expect(provider.rejection?.code == "invalid_auth_request")
        #expect(provider.simulated.close?.code == 4001)
        #expect(provider.simulated.close?.reason == "invalid_auth_request: type")
        provider.proof = { $0 }
    }

    @Test func versionOneIsRefusedWhereSealingIsRequired() {
        let world = Self.world { $0.tier2.requiresEncryptedLeg = true }
        let provider = SimulatedProvider(world.environment, to: world.coordinator.providerAcceptor)
        #expect(world.run(upTo: .seconds(8)) { provider.end != nil })
        #expect(provider.close?.code == 4013)
        #expect(provider.close?.reason == "tier2_encrypted_leg_required")
    }

    @Test func ofTwoHandshakesOfOneProviderTheLaterStays() throws {
        let world = Self.world()
        let first = try EncryptedProvider(world)
        let second = try EncryptedProvider(world)
        #expect(world.run(upTo: .seconds(5)) { first.simulated.close != nil || second.simulated.close != nil })
        world.run(for: .seconds(1))
        #expect(world.coordinator.sessionCount == 1)
        #expect(world.coordinator.pool.counts[.ready] == 1)
        let (gone, stays) = first.isLive ? (second, first) : (first, second)
        #expect(gone.simulated.close?.code == 1008)
        #expect(gone.simulated.close?.reason == "replaced by a newer session")
        stays.onRequest = { $0.answer($1) }
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.latest?.status == 200)
    }

    @Test func abandonedHandshakesLeaveNothing() throws {
        let world = Self.world { $0.pool.admission.provisionalRatePerHour = 1 }
        var silent: [EncryptedProvider] = []
        for number in 0..<50 {
            let provider = try EncryptedProvider(world, id: "p\(number)")
            provider.proof = { _ in nil }
            silent.append(provider)
        }
        world.run(for: .seconds(1))
        #expect(world.coordinator.unauthenticatedConnectionCount == 50)
        for provider in silent.prefix(25) { provider.simulated.near.reset() }
        world.run(for: .seconds(10))
        #expect(silent.suffix(25).allSatisfy { $0.simulated.close?.code == 1008 })
        #expect(world.leftovers == [])
        #expect(world.coordinator.pool.counts.total == 0)
        // They have not used up what new providers may have.
        #expect(try world.encryptedProvider("real").isLive)
    }

    // MARK: Frames that do not open

    private enum Spoilt: String, CaseIterable, Sendable {
        case flippedBit, replay, clear, otherRequest, end
    }

    @Test(arguments: Spoilt.allCases) private func aFrameThatDoesNotOpenEndsTheSession(_ spoilt: Spoilt) throws {
        let world = Self.world()
        let provider = try world.encryptedProvider(onRequest: nil)
        let buyers = [world.buyer(), world.buyer()]
        for buyer in buyers { buyer.complete(model: "test-model", stream: false) }
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 2 })
        let request = provider.requests[0]
        let chunk = provider.chunk(request, seq: 0, data: "{}")
        switch spoilt {
        case .flippedBit: provider.simulated.sendText(chunk.flipped(behind: "\"ciphertext\":\""))
        case .replay:
            provider.simulated.sendText(chunk)
            provider.simulated.sendText(chunk)
        case .clear: provider.simulated.sendChunk(request.id, seq: 0, data: "{}")
        case .otherRequest:
            provider.simulated.sendText(chunk.replacingOccurrence(of: request.id, with: provider.requests[1].id))
        case .end: provider.simulated.sendText(provider.end(request, chunks: 0).flipped(behind: "\"tag\":\""))
        }
        #expect(world.run(upTo: .seconds(5)) { provider.simulated.end != nil })
        #expect(provider.simulated.close?.code == 4013)
        #expect(
            provider.simulated.close?.reason
                == (spoilt == .clear ? "tier2_encrypted_leg_required" : "tier2_key_exchange_failed"))
        for buyer in buyers {
            #expect(world.wait(for: buyer))
            #expect(buyer.latest?.status == 502)
        }
        #expect(world.coordinator.metrics.sealedFramesRefused == 1)
        let event: StaticString = spoilt == .clear ? "clear_frame_refused" : "sealed_frame_refused"
        #expect(world.environment.loggedEvents(event).map(\.level) == [.error])
        #expect(world.coordinator.pool.counts[.ready] == 0)
        #expect(world.leftovers == [])
    }

    /// An answer that nobody waits for any more is used up, and harms nobody.
    @Test func lateAnswersAreDropped() throws {
        let world = Self.world()
        let provider = try world.encryptedProvider(onRequest: nil)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        let request = provider.requests[0]
        buyer.leave()
        world.run(for: .seconds(11))
        #expect(world.coordinator.activeRequestCount == 0)
        provider.answer(request)
        provider.onRequest = { $0.answer($1) }
        let second = world.buyer()
        second.complete(model: "test-model", stream: true)
        #expect(world.wait(for: second))
        #expect(second.latest?.status == 200)
        #expect(provider.isLive)
        #expect(world.coordinator.metrics.chunksUnknown == 4)
    }

    /// The same when the keys have been changed since.
    @Test func lateAnswersUnderTheOldKeysAreDropped() throws {
        let world = Self.world { $0.tier2.rekeyAfterRequests = 1 }
        let provider = try world.encryptedProvider(onRequest: nil)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        let late = provider.chunk(provider.requests[0], seq: 0, data: "data: late\n\n")
        buyer.leave()
        #expect(world.run(upTo: .seconds(20)) { world.coordinator.metrics.rekeys == 1 })
        provider.simulated.sendText(late)
        world.run(for: .seconds(1))
        #expect(provider.isLive)
        #expect(world.coordinator.metrics.sealedFramesRefused == 0)
        provider.onRequest = { $0.answer($1) }
        let second = world.buyer()
        second.complete(model: "test-model", stream: true)
        #expect(world.wait(for: second))
        #expect(second.latest?.status == 200)
    }

    // MARK: Rekey

    @Test func withoutTheCapabilityTheProviderComesAgain() throws {
        let world = Self.world { $0.tier2.rekeyAfterRequests = 1 }
        var capabilities = ProviderHandshake.capabilities
        capabilities.inBandAEADRekeyV1 = false
        let provider = try world.encryptedProvider(capabilities: capabilities)
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(buyer.latest?.status == 200)
        #expect(world.run(upTo: .seconds(1)) { provider.simulated.end != nil })
        #expect(provider.simulated.close?.code == 1012)
        #expect(provider.rekeyRequests.isEmpty)
        #expect(try world.encryptedProvider(capabilities: capabilities).isLive)
    }

    @Test func aRekeyThatIsNotAnsweredEndsTheSession() throws {
        let world = Self.world { $0.tier2.rekeyAfterRequests = 1 }
        let provider = try world.encryptedProvider()
        provider.answersRekeys = false
        let buyer = world.buyer()
        buyer.complete(model: "test-model", stream: true)
        #expect(world.wait(for: buyer))
        #expect(world.run(upTo: .seconds(1)) { provider.rekeyRequests.count == 1 })
        #expect(provider.rekeyRequests[0].reason == .requestThreshold)
        #expect(provider.rekeyRequests[0].attempt.oldKeyID == provider.acceptance?.keyID)
        // Who comes meanwhile waits, and hears in the end that nobody is there.
        let waiting = world.buyer()
        waiting.complete(model: "test-model", stream: true)
        world.run(for: .seconds(5))
        #expect(waiting.responses.isEmpty)
        #expect(world.run(upTo: .seconds(6)) { provider.simulated.end != nil })
        #expect(provider.simulated.close?.code == 4013)
        #expect(provider.simulated.close?.reason == "tier2_key_exchange_failed")
        #expect(world.wait(for: waiting))
        #expect(waiting.latest?.status == 503)
        #expect(world.coordinator.metrics.rekeysFailed == 1)
        #expect(world.coordinator.pool.counts[.unavailable] == 1)
        #expect(world.leftovers == [])
    }

    @Test func requestsWaitForNewKeysInABoundedNumber() throws {
        let world = Self.world { $0.tier2.rekeyAfterRequests = 1 }
        let provider = try world.encryptedProvider(slots: 2, onRequest: nil)
        let first = world.buyer()
        first.complete(model: "test-model", stream: true)
        #expect(world.run(upTo: .seconds(1)) { provider.requests.count == 1 })
        let buyers = (0..<9).map { _ in world.buyer() }
        for buyer in buyers { buyer.complete(model: "test-model", stream: true) }
        world.run(for: .seconds(1))
        // Eight may wait for a provider of two slots.
        #expect(buyers.count { $0.latest?.status == 503 } == 1)
        for buyer in buyers[0..<6] where buyer.responses.isEmpty { buyer.leave() }
        world.run(for: .seconds(1))
        provider.onRequest = { $0.answer($1) }
        provider.answer(provider.requests[0])
        #expect(world.wait(for: first))
        for buyer in buyers[6...] where buyer.responses.isEmpty {
            #expect(world.wait(for: buyer))
            #expect(buyer.latest?.status == 200)
        }
        #expect(world.leftovers == [])
        #expect(provider.isLive)
    }

    @Test func aRekeyMessageOutOfPlaceEndsTheSession() throws {
        let world = Self.world()
        let provider = try world.encryptedProvider()
        provider.simulated.sendText(
            #"{"type":"aead_rekey_response","version":1,"rekey_id":"x","assigned_id":"x","old_kid":"x","new_kid":"y","provider_ecdh_public_key":"z"}"#
        )
        #expect(world.run(upTo: .seconds(1)) { provider.simulated.end != nil })
        #expect(provider.simulated.close?.code == 4013)
        #expect(world.leftovers == [])
    }
}

extension String {
    func components(of text: String) -> Int { self.ranges(of: text).count }

    /// With another first character behind `marker`.
    fileprivate func flipped(behind marker: String) -> String {
        guard let range = firstRange(of: marker) else { return self }
        var copy = self
        copy.replaceSubrange(range.upperBound...range.upperBound, with: self[range.upperBound] == "A" ? "B" : "A")
        return copy
    }
}
