import Crypto
import Primitives
import Testing
import WebSocketCodec

@testable import ProviderProtocol

@Suite("The handshake of version 2") struct HandshakeTests {
    private static let description = ProviderDescription(
        providerID: "m4-anon", hostname: "host", modelID: "model", modelParamsB: 7, ramGB: 16, maxContextTokens: 8192,
        maxConcurrency: 2, throughputTPSEstimate: 20, binaryVersion: "1.2.0")
    private static let assignedID = LegWorld.identity.assignedID
    private static let start = MonotonicInstant.zero + .seconds(100)
    private static let wallTime = WallTime(nanoseconds: 1_790_000_000 * 1_000_000_000)

    private func provider(_ seed: UInt64 = 2) throws -> ProviderHandshake {
        ProviderHandshake(description: Self.description, privateKey: try LegWorld.privateKey(seed: seed))
    }

    private func coordinator(
        _ initial: AuthInitial, attempt: String = "auth-1", formats: [String] = []
    ) throws -> CoordinatorHandshake {
        try CoordinatorHandshake(
            initial, assignedID: Self.assignedID, attemptID: attempt, challenge: [UInt8](repeating: 7, count: 32),
            formats: formats, privateKey: LegWorld.privateKey(seed: 1), now: Self.start, wallTime: Self.wallTime)
    }

    private func acceptance(_ handshake: borrowing CoordinatorHandshake, assignedID: String = Self.assignedID)
        -> AuthAcceptance
    {
        AuthAcceptance(
            assignedID: assignedID, heartbeatIntervalSeconds: 30, tier: "provisional", keyID: handshake.keyID,
            rekeyAfterRequests: 10, rekeyAfterSeconds: 20, responseChunkPlaintextEnvelope: true,
            inBandAEADRekeyV1: true)
    }

    private func verdict(
        _ handshake: borrowing CoordinatorHandshake, _ proof: AuthProof, requiresAttestation: Bool = false,
        after: Duration = .seconds(1)
    ) -> Result<AttestationStatus, AuthRejection> {
        handshake.verdict(
            on: proof, NoAttestation(isRequired: requiresAttestation), now: Self.start + after, wallTime: Self.wallTime)
    }

    @Test func bothEndsComeToOneLeg() throws {
        var provider = try provider()
        let coordinator = try coordinator(provider.initial, formats: ["a", "b"])
        #expect(coordinator.challenge.attestationFormats == ["a", "b"])
        #expect(
            coordinator.challenge.attestationChallenge
                == withByteView([UInt8](repeating: 7, count: 32)) { Base64.url.encode($0) })
        #expect(coordinator.challenge.expiresAt == (Self.wallTime + .seconds(600)).rfc3339)
        let proof = try provider.challengeReceived(coordinator.challenge)
        #expect(proof == AuthProof(authAttemptID: "auth-1", providerID: "m4-anon"))
        #expect(
            try verdict(coordinator, proof).get() == AttestationStatus(status: "not_required", ramTierAttested: false))
        let providerLeg = try provider.accepted(acceptance(coordinator))
        let world = try LegWorld()
        world.coordinator = coordinator.accepted()
        world.provider = providerLeg
        #expect(try world.openRequest(world.request(body: "{}")).body == "{}")
        #expect(try world.openChunk(world.chunk(data: "x")).data == "x")
    }

    @Test func aWrongProofIsRejected() throws {
        let provider = try provider()
        let coordinator = try coordinator(provider.initial)
        let good = AuthProof(authAttemptID: "auth-1", providerID: "m4-anon")
        var proof = good
        proof.authAttemptID = "auth-2"
        #expect(verdict(coordinator, proof) == .failure(.wrongAttempt))
        proof = good
        proof.providerID = "m5"
        #expect(verdict(coordinator, proof) == .failure(.wrongProvider))
        proof = good
        proof.version = 3
        #expect(verdict(coordinator, proof) == .failure(.malformed(field: "version")))
        proof = good
        proof.attestationToken = "{}"
        guard case .failure(let refused) = verdict(coordinator, proof) else {
            Issue.record("a token that nobody can read was taken")
            return
        }
        #expect(refused.refusal.closeCode.rawValue == 4012)
        #expect(refused.refusal.reason == "tier2_attestation_failed")
        guard case .failure = verdict(coordinator, good, requiresAttestation: true) else {
            Issue.record("no token was needed although attestation is required")
            return
        }
        #expect(verdict(coordinator, good, after: .seconds(600)) == .failure(.expired))
        guard case .success = verdict(coordinator, good, after: .seconds(600) - .nanoseconds(1)) else {
            Issue.record("expired too early")
            return
        }
    }

    @Test func aKeyThatIsNoneIsRefusedWith4013() throws {
        var initial = try provider().initial
        for key in ["", "AAAA", String(repeating: "A", count: 43)] {
            initial.providerPublicKey = key
            #expect(throws: SessionRefusal.keyExchangeFailed) { _ = try coordinator(initial) }
        }
        #expect(SessionRefusal.keyExchangeFailed.closeCode.rawValue == 4013)
    }

    @Test func theProviderRefusesWhatDoesNotFit() throws {
        let initial = try provider().initial
        let coordinator = try coordinator(initial)
        var challenge = coordinator.challenge
        challenge.keyID = "AAAAAAAAAAAAAAAAAAAAAA"
        var first = try provider()
        #expect(throws: ProviderHandshakeError.keyExchange(.wrongKeyID)) { _ = try first.challengeReceived(challenge) }
        challenge = coordinator.challenge
        challenge.selectedAEADSuite = "none"
        var second = try provider()
        #expect(throws: ProviderHandshakeError.keyExchange(.wrongAlgorithm)) {
            _ = try second.challengeReceived(challenge)
        }
        challenge = coordinator.challenge
        challenge.coordinatorPublicKey = String(repeating: "A", count: 43)
        var third = try provider()
        #expect(throws: ProviderHandshakeError.keyExchange(.badPublicKey)) {
            _ = try third.challengeReceived(challenge)
        }
        var fourth = try provider()
        #expect(throws: ProviderHandshakeError.unexpected) { _ = try fourth.accepted(acceptance(coordinator)) }
        var fifth = try provider()
        _ = try fifth.challengeReceived(coordinator.challenge)
        #expect(throws: ProviderHandshakeError.wrongSession) {
            _ = try fifth.accepted(acceptance(coordinator, assignedID: "other"))
        }
        // A second challenge finds nothing to answer it.
        var sixth = try provider()
        _ = try sixth.challengeReceived(coordinator.challenge)
        #expect(throws: ProviderHandshakeError.unexpected) { _ = try sixth.challengeReceived(coordinator.challenge) }
    }
}
