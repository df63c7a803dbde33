import Crypto
import JSON
import Primitives
import Testing

@testable import ProviderProtocol

@Suite("A rekey in band") struct RekeyTests {
    private static let start = MonotonicInstant.zero + .seconds(100)
    private static let wallTime = WallTime(nanoseconds: 1_790_000_000 * 1_000_000_000)
    private static let timeout = Duration.seconds(10)

    private func coordinatorRekey(_ world: LegWorld, seed: UInt64 = 3) throws -> CoordinatorRekey {
        CoordinatorRekey(
            rekeyID: "rekey-1", replacing: world.coordinator, reason: .requestThreshold,
            privateKey: try LegWorld.privateKey(seed: seed), timeout: Self.timeout, now: Self.start,
            wallTime: Self.wallTime)
    }

    private func providerRekey(_ world: LegWorld, _ request: RekeyRequest, seed: UInt64 = 4) throws -> ProviderRekey {
        try ProviderRekey(
            request, replacing: world.provider, privateKey: LegWorld.privateKey(seed: seed), timeout: Self.timeout,
            now: Self.start)
    }

    private func withCommitted<Result>(
        _ world: LegWorld, _ message: String, _ body: (RekeyProof) throws -> Result
    ) throws -> Result {
        try world.padded(message) {
            guard case .rekeyCommitted(let proof) = try ProviderMessage.parse($0, with: world.parser) else {
                throw LegWorld.NotSealed()
            }
            return try body(proof)
        }
    }

    /// Carries the messages between the ends; `change` may spoil them on the way.
    private func rekey(
        _ world: LegWorld, at time: Duration = .seconds(1), seed: UInt64 = 3,
        response change: (inout RekeyResponse) -> Void = { _ in },
        commit: (String) -> String = { $0 }, committed: (String) -> String = { $0 }
    ) throws {
        let now = Self.start + time
        var coordinator = try coordinatorRekey(world, seed: seed)
        let provider = try providerRekey(world, coordinator.request)
        var response = provider.response
        change(&response)
        var queue = ByteQueue()
        try coordinator.responseReceived(response, now: now, world.workspace, into: &queue)
        var answer = ByteQueue()
        var commitParser = ByteQueue()
        commitParser.append(commit(queue.view.string))
        guard case .rekeyCommit(let proof) = try CoordinatorMessage.parse(commitParser.view, with: world.parser) else {
            throw LegWorld.NotSealed()
        }
        let providerLeg = try provider.commitReceived(proof, now: now, world.workspace, into: &answer)
        var committedText = ByteQueue()
        committedText.append(committed(answer.view.string))
        guard case .rekeyCommitted(let last) = try ProviderMessage.parse(committedText.view, with: world.parser) else {
            throw LegWorld.NotSealed()
        }
        world.coordinator = try coordinator.committedReceived(last, now: now, world.workspace)
        world.provider = providerLeg
    }

    @Test(arguments: [true, false]) func bothEndsGoOnWithNewKeysAndOne(envelope: Bool) throws {
        let world = try LegWorld(hasChunkEnvelope: envelope)
        let old = try world.chunk(data: "old")
        let oldKeyID = world.coordinator.keyID
        try rekey(world)
        #expect(world.coordinator.keyID == world.provider.keyID)
        #expect(world.coordinator.keyID != oldKeyID)
        #expect(world.coordinator.sealer.nextSeq == 1)
        #expect(world.provider.sealer.nextSeq == 1)
        #expect(world.coordinator.opener.lowestMissingSeq == 1)
        #expect(world.provider.opener.lowestMissingSeq == 1)
        #expect(world.coordinator.hasChunkEnvelope == envelope)
        #expect(try world.openRequest(world.request(body: "{}")).body == "{}")
        #expect(try world.openChunk(world.chunk(data: "new")).data == "new")
        #expect(throws: LegError.wrongKeyID) { try world.openChunk(old) }
        // The same keys again are no new keys; other ones are.
        #expect(throws: RekeyError.wrongKeyID) { try rekey(world) }
        try rekey(world, seed: 5)
        #expect(try world.openChunk(world.chunk(data: "newer")).data == "newer")
    }

    @Test func whatIsOutOfPlaceFails() throws {
        let world = try LegWorld()
        let other = try LegWorld.privateKey(seed: 9)
        #expect(throws: RekeyError.wrongAttempt) { try rekey(world, response: { $0.attempt.rekeyID = "rekey-2" }) }
        #expect(throws: RekeyError.wrongAttempt) { try rekey(world, response: { $0.attempt.oldKeyID = "A" }) }
        #expect(throws: RekeyError.wrongAttempt) { try rekey(world, response: { $0.attempt.assignedID = "A" }) }
        #expect(throws: RekeyError.wrongKeyID) { try rekey(world, response: { $0.newKeyID = "A" }) }
        #expect(throws: RekeyError.wrongKeyID) {
            try rekey(world, response: { $0.providerPublicKey = other.publicKeyText })
        }
        #expect(throws: RekeyError.leg(.badPublicKey)) { try rekey(world, response: { $0.providerPublicKey = "A" }) }
        #expect(throws: RekeyError.expired) { try rekey(world, at: Self.timeout) }
        #expect(throws: RekeyError.wrongAttempt) {
            try rekey(world, commit: { $0.replacingOccurrence(of: "rekey-1", with: "rekey-2") })
        }
        #expect(throws: RekeyError.leg(.notAuthentic)) {
            try rekey(world, commit: { self.withOtherTag($0) })
        }
        #expect(throws: RekeyError.leg(.notAuthentic)) {
            try rekey(world, committed: { self.withOtherTag($0) })
        }
        #expect(throws: RekeyError.wrongProof) {
            try rekey(world, committed: { $0.replacingOccurrence(of: "\"seq\":0", with: "\"seq\":1") })
        }
        // The old keys are as good as before.
        #expect(try world.openChunk(world.chunk(data: "old")).data == "old")
    }

    private func withOtherTag(_ message: String) -> String {
        guard let range = message.firstRange(of: "\"tag\":\"") else { return message }
        var copy = message
        let digit = copy[range.upperBound]
        copy.replaceSubrange(range.upperBound...range.upperBound, with: digit == "A" ? "B" : "A")
        return copy
    }

    @Test func messagesOfAnotherStageFail() throws {
        let world = try LegWorld()
        var coordinator = try coordinatorRekey(world)
        let provider = try providerRekey(world, coordinator.request)
        var queue = ByteQueue()
        try coordinator.responseReceived(provider.response, now: Self.start, world.workspace, into: &queue)
        #expect(throws: RekeyError.unexpected) {
            var queue = ByteQueue()
            try coordinator.responseReceived(provider.response, now: Self.start, world.workspace, into: &queue)
        }
        #expect(throws: RekeyError.wrongAttempt) {
            var request = coordinator.request
            request.attempt.oldKeyID = "A"
            _ = try providerRekey(world, request)
        }
        #expect(throws: RekeyError.leg(.wrongAlgorithm)) {
            var request = coordinator.request
            request.selectedAEAD = "none"
            _ = try providerRekey(world, request)
        }
    }

    /// The provider's end against the independent implementation, byte for byte.
    @Test(arguments: LegVectors.all) func aProviderAnswersAsTheOtherImplementation(
        _ session: LegVectors.Session
    ) throws {
        let world = try LegWorld()
        let vector = session.rekey
        world.provider = try EncryptedLeg(
            role: .provider, privateKey: LegWorld.privateKey(hexadecimal: session.provider_private_key),
            peerPublicKey: session.coordinator_public_key,
            identity: LegIdentity(providerID: session.provider_id, assignedID: session.assigned_id),
            hasChunkEnvelope: session.envelope)
        let request = try world.padded(vector.request) {
            guard case .rekeyRequest(let request) = try CoordinatorMessage.parse($0, with: world.parser) else {
                throw LegWorld.NotSealed()
            }
            return request
        }
        let provider = try ProviderRekey(
            request, replacing: world.provider,
            privateKey: LegWorld.privateKey(hexadecimal: vector.provider_private_key), timeout: Self.timeout,
            now: Self.start)
        var response = ByteQueue()
        provider.response.append(to: &response)
        #expect(response.view.string == vector.response)
        var commit = ByteQueue()
        commit.append(vector.commit)
        guard case .rekeyCommit(let proof) = try CoordinatorMessage.parse(commit.view, with: world.parser) else {
            throw LegWorld.NotSealed()
        }
        var committed = ByteQueue()
        world.provider = try provider.commitReceived(proof, now: Self.start, world.workspace, into: &committed)
        #expect(committed.view.string == vector.committed)
        #expect(try world.chunk("req-00000000-0000-4000-8000-000000000001", data: "after") == vector.next_chunk)
    }

    /// The proof and the commit that the coordinator's end makes.
    @Test(arguments: LegVectors.all) func aCoordinatorCommitsAsTheOtherImplementation(
        _ session: LegVectors.Session
    ) throws {
        let vector = session.rekey
        let world = try LegWorld()
        let request = try world.padded(vector.request) {
            guard case .rekeyRequest(let request) = try CoordinatorMessage.parse($0, with: world.parser) else {
                throw LegWorld.NotSealed()
            }
            return request
        }
        let response = try world.padded(vector.response) {
            guard case .rekeyResponse(let response) = try ProviderMessage.parse($0, with: world.parser) else {
                throw LegWorld.NotSealed()
            }
            return response
        }
        let content = RekeyProofContent(request: request, response: response, providerID: session.provider_id)
        var proof = ByteQueue()
        content.append(to: &proof)
        #expect(proof.view.string == vector.proof)
        var leg = try EncryptedLeg(
            role: .coordinator, privateKey: LegWorld.privateKey(hexadecimal: vector.coordinator_private_key),
            peerPublicKey: response.providerPublicKey,
            identity: LegIdentity(providerID: session.provider_id, assignedID: session.assigned_id),
            hasChunkEnvelope: session.envelope)
        var commit = ByteQueue()
        try leg.sealProof(.commit, content, world.workspace, into: &commit)
        #expect(commit.view.string == vector.commit)
        try withCommitted(world, vector.committed) {
            try leg.openProof(.committed, $0, expecting: content, world.workspace)
        }
    }
}
