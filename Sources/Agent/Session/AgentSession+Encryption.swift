import Crypto
import Environment
import Primitives
import ProviderProtocol
import WebSocketCodec

/// Version 2 from the provider's side: handshake, sealed requests and answers, new keys (docs/protocol.md, section 4).
extension AgentSession {
    // MARK: Handshake

    /// The first message.
    func greetEncrypted(_ description: ProviderDescription) {
        guard let privateKey = environment.makePrivateKey() else {
            return end(.lost(reason: "no key could be made"), code: .internalError)
        }
        let handshake = ProviderHandshake(description: description, privateKey: privateKey)
        let initial = handshake.initial
        self.handshake = consume handshake
        queue { AuthRequest.initial(initial).append(to: &$0) }
    }

    func challengeReceived(_ challenge: AuthChallenge) {
        guard stage == .greeting, handshake != nil else { return refuse("auth_challenge", code: "unexpected_message") }
        do throws(ProviderHandshakeError) {
            guard let proof = try handshake?.challengeReceived(challenge) else { return }
            queue { AuthRequest.proof(proof).append(to: &$0) }
        } catch {
            handshakeFailed("the coordinator's challenge does not fit: \(error)")
        }
    }

    func authResponseReceived(_ response: AuthResponse) {
        guard stage == .greeting, handshake != nil else { return refuse("auth_response", code: "unexpected_message") }
        switch response {
        case .accepted(let acceptance):
            do throws(ProviderHandshakeError) {
                guard let leg = try handshake?.accepted(acceptance) else { return }
                self.leg = AgentLeg(leg)
                handshake = nil
            } catch {
                return handshakeFailed("the coordinator's acceptance does not fit: \(error)")
            }
            isLive(
                HelloAck(
                    coordinatorVersion: 2, assignedID: acceptance.assignedID,
                    heartbeatIntervalSeconds: acceptance.heartbeatIntervalSeconds, tier: acceptance.tier))
        case .rejected(let code, let message):
            // The Close that follows says less.
            if cause == nil { cause = .closed(code: nil, reason: "\(code): \(message)") }
        }
    }

    private func handshakeFailed(_ reason: String) {
        end(.violated(reason: reason), code: .keyExchangeFailed, reason: SessionRefusal.keyExchangeFailed.reason)
    }

    // MARK: Requests

    func sealedRequestReceived(_ frame: SealedFrame) {
        guard let leg else {
            return refuse("inference_request", requestID: frame.requestID, code: "encrypted_leg_not_negotiated")
        }
        do throws(LegError) {
            start(try leg.leg.openRequest(frame, leg.workspace))
        } catch {
            legFailed("a sealed request does not open: \(error.name)")
        }
    }

    /// A request in the clear where all must be sealed: whoever wrote it is not the coordinator that has the keys.
    func clearRequestReceived() {
        end(
            .violated(reason: "a request in the clear in an encrypted session"), code: .keyExchangeFailed,
            reason: SessionRefusal.encryptedLegRequired.reason)
    }

    func legFailed(_ reason: String) {
        environment.log(LogRecord(.error, "encrypted_leg_failed", [("reason", .string(reason))]))
        end(.violated(reason: reason), code: .keyExchangeFailed, reason: SessionRefusal.keyExchangeFailed.reason)
    }

    // MARK: Rekey

    func rekeyRequested(_ request: RekeyRequest) {
        guard let leg else { return refuse("aead_rekey_request", code: "encrypted_leg_not_negotiated") }
        do throws(RekeyError) {
            let response = try leg.rekeyRequested(
                request, environment: environment, timeout: settings.handshakeTimeout)
            queue { response.append(to: &$0) }
        } catch {
            rekeyFailed(error.name)
        }
    }

    func rekeyCommitted(_ proof: RekeyProof) {
        guard let leg else { return refuse("aead_rekey_commit", code: "encrypted_leg_not_negotiated") }
        var answer = ByteQueue()
        do throws(RekeyError) {
            try leg.rekeyCommitted(proof, now: environment.now, into: &answer)
        } catch {
            return rekeyFailed(error.name)
        }
        queue { $0.append(answer.view) }
        environment.log(LogRecord(.info, "rekeyed"))
    }

    func rekeyDeadlineReached(now: MonotonicInstant) {
        if let deadline = leg?.rekeyDeadline, now >= deadline { rekeyFailed("timed_out") }
    }

    private func rekeyFailed(_ reason: StaticString) {
        legFailed("a rekey failed: \(reason)")
    }
}

extension Environment {
    /// nil only if OpenSSL has no memory.
    func makePrivateKey() -> X25519PrivateKey? {
        try? X25519PrivateKey(SecretKey(byteCount: X25519PrivateKey.byteCount) { fillRandom($0) })
    }
}
