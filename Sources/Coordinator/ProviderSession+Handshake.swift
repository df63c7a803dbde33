import Crypto
import Environment
import Pool
import Primitives
import ProviderProtocol
import WebSocketCodec

/// A provider of version 2 between its challenge and its proof. All of an attempt is here, so one that is abandoned
/// leaves nothing behind.
final class ChallengedProvider {
    private var handshake: CoordinatorHandshake?

    init(_ handshake: consuming CoordinatorHandshake) { self.handshake = consume handshake }

    /// Once: one proof is judged.
    func take() -> CoordinatorHandshake? { handshake.take() }
}

/// How a provider gets in (docs/protocol.md, sections 3 and 4).
extension ProviderSession {
    func handshakeReceived(_ text: ByteView) {
        switch state {
        case .greeting(let until) where !coordinator.isDraining: greetingReceived(text, until: until)
        case .proving(let challenged, _) where !coordinator.isDraining: proofReceived(text, challenged)
        case .greeting, .proving: close(.goingAway, "shutting down")
        case .live, .closing, .over: break
        }
    }

    private func greetingReceived(_ text: ByteView, until: MonotonicInstant) {
        do throws(SessionRefusal) {
            switch try FirstMessage.parse(text, with: coordinator.providerParser) {
            case .hello(let hello): try accept(hello)
            case .authRequest(let initial): try challenge(initial, until: until)
            }
        } catch {
            refuse(error)
        }
    }

    private func refuse(_ refusal: SessionRefusal) {
        coordinator.metrics.handshakesRefused += 1
        coordinator.log(
            .warn, "provider_refused",
            [
                ("code", .int(Int(refusal.closeCode.rawValue))), ("reason", .string(refusal.reason)),
                ("peer", .string(connection.peer.host)),
            ])
        close(refusal.closeCode, refusal.reason)
    }

    /// The checks of section 3 in its order; shape, version and tier have been looked at.
    private func check(_ description: ProviderDescription) throws(SessionRefusal) {
        try coordinator.checkBinaryVersion(description.binaryVersion)
        try coordinator.checkToken(owner: tokenOwner, providerID: description.providerID)
    }

    // MARK: Version 1

    private func accept(_ hello: ProviderHello) throws(SessionRefusal) {
        guard !coordinator.settings.tier2.requiresEncryptedLeg else { throw .encryptedLegRequired }
        try check(hello.description)
        let admission = try coordinator.admit(ProviderProfile(hello.description), session: self)
        registered(hello.description, admission, leg: nil)
        let greeting = coordinator.helloAck(assignedID: id, tier: admission.tier.name.description)
        queue(estimatedByteCount: 256) { greeting.append(to: &$0) }
        updateDeadline()
    }

    // MARK: Version 2

    /// Whoever would not be let in hears so before it proves anything. Its place is taken only after that.
    private func challenge(_ initial: AuthInitial, until: MonotonicInstant) throws(SessionRefusal) {
        try check(initial.description)
        try coordinator.checkAdmission(of: initial.providerID)
        let environment = coordinator.environment
        guard let privateKey = environment.makePrivateKey() else { throw .keyExchangeFailed }
        var random = [UInt8](repeating: 0, count: CoordinatorHandshake.challengeByteCount)
        random.withUnsafeMutableBytes { environment.fillRandom($0) }
        let handshake = try CoordinatorHandshake(
            initial, assignedID: id.text, attemptID: "auth-" + environment.randomID().text, challenge: random,
            formats: coordinator.attestation.formats, privateKey: privateKey, now: now,
            wallTime: environment.wallTime)
        let challenge = handshake.challenge
        state = .proving(ChallengedProvider(handshake), until: until)
        queue(estimatedByteCount: 640) { challenge.append(to: &$0) }
    }

    private func proofReceived(_ text: ByteView, _ challenged: ChallengedProvider) {
        guard let handshake = challenged.take() else { return }
        do throws(AuthRejection) {
            let proof = try parseProof(text)
            let status = try handshake.verdict(
                on: proof, coordinator.attestation, now: now, wallTime: coordinator.environment.wallTime
            ).get()
            let initial = handshake.initial
            let admission: Admission
            do throws(SessionRefusal) {
                admission = try coordinator.admit(ProviderProfile(initial.description), session: self)
            } catch {
                throw .admission(error)
            }
            accept(initial, handshake.accepted(), status, admission)
        } catch {
            let response = AuthResponse.rejected(code: error.code, message: error.message)
            queue(estimatedByteCount: 200) { response.append(to: &$0) }
            refuse(error.refusal)
        }
    }

    private func parseProof(_ text: ByteView) throws(AuthRejection) -> AuthProof {
        do throws(MessageError) {
            guard case .authRequest(let request) = try ProviderMessage.parse(text, with: coordinator.providerParser)
            else { throw .invalid(field: "type") }
            guard case .proof(let proof) = request else { throw .invalid(field: "stage") }
            return proof
        } catch {
            throw .malformed(field: error.field ?? "type")
        }
    }

    private func accept(
        _ initial: AuthInitial, _ leg: consuming EncryptedLeg, _ status: AttestationStatus, _ admission: Admission
    ) {
        let settings = coordinator.settings.tier2
        let leg = ProviderLeg(
            leg, rekeysInBand: initial.capabilities.inBandAEADRekeyV1,
            workspace: coordinator.legWorkspace, settings: settings, now: now)
        registered(initial.description, admission, leg: leg)
        let acceptance = AuthAcceptance(
            assignedID: id.text, heartbeatIntervalSeconds: coordinator.settings.pool.heartbeatInterval.inSeconds,
            tier: admission.tier.name.description, keyID: leg.keyID, rekeyAfterRequests: settings.rekeyAfterRequests,
            rekeyAfterSeconds: Int(settings.rekeyAfter.inSeconds),
            responseChunkPlaintextEnvelope: initial.capabilities.responseChunkPlaintextEnvelope,
            inBandAEADRekeyV1: initial.capabilities.inBandAEADRekeyV1, attestationStatus: status.status,
            ramTierAttested: status.ramTierAttested)
        queue(estimatedByteCount: 512) { AuthResponse.accepted(acceptance).append(to: &$0) }
        updateDeadline()
    }
}

extension Environment {
    /// nil only if OpenSSL has no memory.
    func makePrivateKey() -> X25519PrivateKey? {
        try? X25519PrivateKey(SecretKey(byteCount: X25519PrivateKey.byteCount) { fillRandom($0) })
    }
}
