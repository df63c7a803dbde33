import Coordinator
import JSON
import Primitives
import ProviderProtocol

/// What a provider of a swarm says and hears in version 2 (docs/protocol.md, section 4).
extension SwarmProvider {
    /// Keys for a new session, if this provider has any.
    func makeLeg() -> SwarmLeg? {
        guard swarm.plan.hasEncryption, speaksEncrypted || swarm.settings.tier2.requiresEncryptedLeg else { return nil }
        return SwarmLeg(
            swarm.environment, swarm.legWorkspace,
            capabilities: Tier2Capabilities(
                encryptedLeg: true, attestation: false, aeadSuites: ["A256GCM"],
                responseChunkPlaintextEnvelope: random.chance(0.8), inBandAEADRekeyV1: random.chance(0.8)))
    }

    /// The coordinator must end this session, however slow the way.
    func mustEnd(after delay: Duration = .zero) {
        let limit = now + delay + swarm.longestWay
        leg?.mustEndBy = min(limit, leg?.mustEndBy ?? limit)
    }

    // MARK: Greeting

    func greet(_ leg: SwarmLeg) {
        let description = ProviderDescription(
            providerID: name, hostname: "host.test", modelID: SwarmText.models[model].description, modelParamsB: 7,
            ramGB: 16, maxContextTokens: 200_000, maxConcurrency: slots, throughputTPSEstimate: 20,
            binaryVersion: "1.2.0")
        guard var initial = leg.begin(description) else { return swarm.fail("\(name) could not make a key") }
        if strikes(.weakKey) {
            misbehaves(.weakKey)
            initial.providerPublicKey = random.chance(0.5) ? String(repeating: "A", count: 43) : "no key"
            mustEnd()
        }
        sendText { AuthRequest.initial(initial).append(to: &$0) }
    }

    private func challengeReceived(_ challenge: AuthChallenge) {
        guard let leg, let honest = leg.challenged(challenge) else {
            return swarm.fail("\(name) got a challenge that does not fit")
        }
        if leg.mustEndBy != nil { return swarm.fail("\(name) was challenged for a key that is none") }
        var proof = honest
        if strikes(.missingProof) {
            misbehaves(.missingProof)
            return mustEnd(after: swarm.settings.providerLink.handshakeTimeout)
        }
        if strikes(.badProof) {
            misbehaves(.badProof)
            if random.chance(0.5) { proof.authAttemptID += "x" } else { proof.providerID = "somebody" }
            mustEnd()
        }
        sendText { AuthRequest.proof(proof).append(to: &$0) }
    }

    private func authenticated(_ response: AuthResponse) {
        switch response {
        case .rejected: swarm.note(.provider, index, "is rejected")
        case .accepted(let acceptance):
            guard let leg, leg.mustEndBy == nil, leg.accepted(acceptance) else {
                return swarm.fail("\(name) was let in without a proof")
            }
            swarm.encryptedSessionBegan()
            withByteView(acceptance.assignedID) { live(as: $0) }
        }
    }

    // MARK: Receiving

    /// What only sessions of version 2 hear. The parser of `text` is another one than the caller's.
    func legMessageReceived(_ text: ByteView) {
        var copy = ByteQueue()
        copy.append(text)
        let message: CoordinatorMessage
        do throws(MessageError) {
            message = try CoordinatorMessage.parse(copy.view, with: swarm.legParser)
        } catch {
            return swarm.fail("\(name) got a message that does not fit: \(error.description)")
        }
        switch message {
        case .authChallenge(let challenge): challengeReceived(challenge)
        case .authResponse(let response): authenticated(response)
        case .sealedInferenceRequest(let frame): sealedRequestReceived(frame)
        case .rekeyRequest(let request): rekeyRequested(request)
        case .rekeyCommit(let proof): rekeyCommitted(proof)
        default: swarm.fail("\(name) got a message that is none of version 2")
        }
    }

    private func sealedRequestReceived(_ frame: SealedFrame) {
        guard let leg, leg.current != nil else { return swarm.fail("\(name) got a sealed request in the clear") }
        let asksFirst =
            swarm.plan.has(.refusesPreflight) || swarm.plan.has(.ignoresPreflight) || swarm.plan.hasLargeRequests
        if let violation = leg.saw(frame, asked: asksFirst ? slots - 1 : 0) {
            return swarm.fail("\(name) got \(violation)")
        }
        guard let opened = try? leg.current?.openRequest(frame, leg.workspace) else {
            return swarm.fail("\(name) got a request that does not open")
        }
        requestReceived(opened.requestID, body: opened.body, stream: opened.stream)
    }

    // MARK: New keys

    private func rekeyRequested(_ request: RekeyRequest) {
        swarm.note(.provider, index, "is to change keys")
        guard let leg, leg.current != nil else { return swarm.fail("\(name) is to change keys that it does not have") }
        guard leg.capabilities.inBandAEADRekeyV1 else { return swarm.fail("\(name) is to change keys in band") }
        if leg.isRekeying { return swarm.fail("\(name) is to change keys twice") }
        if !linkIsFaulty, !swarm.plan.has(.tightLimits),
            let job = jobs.first(where: { $0.attempt.cancelledAt == nil && !$0.attempt.request.isOver })
        {
            return swarm.fail("\(name) is to change keys under request \(job.attempt.request.number)")
        }
        leg.isRekeying = true
        let timeout = swarm.settings.providerLink.handshakeTimeout
        if strikes(.rekeyIgnored, 0.3) {
            misbehaves(.rekeyIgnored)
            return mustEnd(after: timeout)
        }
        guard let response = leg.beginRekey(request, timeout: .seconds(60)) else {
            return swarm.fail("\(name) got a request for new keys that does not fit")
        }
        if strikes(.rekeyLate, 0.3) {
            misbehaves(.rekeyLate)
            let delay = Duration.milliseconds(Int.random(in: 100...15_000, using: &random))
            if delay > timeout { mustEnd(after: timeout) }
            let session = connection
            _ = swarm.environment.soon(
                after: delay,
                .action { [weak self] in
                    guard let self, self.connection === session, self.phase == .live else { return }
                    self.sendText { response.append(to: &$0) }
                })
            return
        }
        var sent = response
        if strikes(.rekeyBroken, 0.2) {
            misbehaves(.rekeyBroken)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: sent.attempt.rekeyID += "x"
            case 1: sent.newKeyID = String(sent.newKeyID.reversed())
            default: sent.providerPublicKey = String(repeating: "A", count: 43)
            }
            mustEnd()
        }
        sendText { sent.append(to: &$0) }
    }

    private func rekeyCommitted(_ proof: RekeyProof) {
        guard let leg, leg.isRekeying, leg.mustEndBy == nil else {
            // The answer came too late for one side and not for the other.
            if hasMisbehaved { return }
            return swarm.fail("\(name) got a commit that it did not ask for")
        }
        var answer = ByteQueue()
        guard leg.commit(proof, into: &answer) else {
            // Asleep, it comes too late.
            if linkIsFaulty { return }
            return swarm.fail("\(name) got a commit that does not fit")
        }
        swarm.keysChanged()
        swarm.note(.provider, index, "changes keys", leg.generation)
        if strikes(.rekeyBroken, 0.2) {
            misbehaves(.rekeyBroken)
            var spoilt = answer.view.string
            Self.spoil("ciphertext", in: &spoilt)
            mustEnd()
            return sendText { $0.append(spoilt) }
        }
        sendText { $0.append(answer.view) }
    }

    // MARK: Sending

    func sendSealedChunk(_ leg: SwarmLeg, id: ByteView, seq: Int, _ data: ByteView, stream: Bool) {
        guard leg.mustEndBy == nil else { return }
        sendText { text in
            leg.sealChunk(id: id, seq: seq, data, stream: stream, into: &text)
            if swarm.plan.has(.replayedFrame) { leg.lastFrame = text.view.string }
        }
    }

    func sendSealedEnd(_ leg: SwarmLeg, id: ByteView, status: StaticString, count: Int, stream: Bool) {
        guard leg.mustEndBy == nil, let status = EndStatus(named: ByteView(status)) else { return }
        let usage = Usage(promptTokens: 3, completionTokens: 4, totalTokens: 7)
        let end = ResponseEnd(requestID: id, status: status, chunksSent: count, usage: usage)
        sendText { leg.sealEnd(end, stream: stream, into: &$0) }
    }

    /// True when a frame that must not be taken went in place of the job's next chunk.
    func breaksFrame(of job: SwarmJob, _ leg: SwarmLeg) -> Bool {
        let faults: [Fault] = [.tamperedFrame, .replayedFrame, .wrongCounter, .wrongKey, .cutFrame, .downgrade]
        guard !leg.isRekeying, let fault = faults.first(where: { strikes($0, 0.1) }) else { return false }
        misbehaves(fault)
        swarm.frameBroken()
        let poison: StaticString = "data: {\"poison\":1}\n\n"
        let (id, stream, seq) = (job.attempt.id, job.attempt.request.stream, job.nextSeq)
        var text = ByteQueue()
        withByteView(id) { leg.sealChunk(id: $0, seq: seq, ByteView(poison), stream: stream, into: &text) }
        var spoilt = text.view.string
        switch fault {
        case .tamperedFrame:
            let members = ["tag", "ciphertext", "tag", "nonce", "tag", "aad"]
            Self.spoil(members[Int.random(in: 0..<6, using: &random)], in: &spoilt)
        case .wrongKey: Self.spoil("kid", in: &spoilt)
        case .wrongCounter: Self.recount(by: random.chance(0.5) ? 1 : 5_000, in: &spoilt)
        case .cutFrame: Self.cut(in: &spoilt)
        case .downgrade: spoilt = clearChunk(id, seq: seq, ByteView(poison))
        default:
            // The frame itself is good, and its chunk is taken; what follows it is not.
            guard let last = leg.lastFrame else {
                Self.spoil("tag", in: &spoilt)
                break
            }
            spoilt = last
        }
        sendText { $0.append(spoilt) }
        mustEnd()
        return true
    }

    /// Something for a request that is over, under the keys before the last change: late, but no forgery.
    func sendLate() {
        guard let leg, leg.retired != nil, !leg.isRekeying, strikes(.retiredKey, 0.5),
            let old = known.last(where: { $0.generation + 1 == leg.generation })
        else { return }
        misbehaves(.retiredKey)
        sendText { text in
            withByteView(old.id) {
                leg.sealLateChunk(
                    id: $0, seq: old.contiguousCount, ByteView("data: {\"poison\":1}\n\n"),
                    stream: old.request.stream, into: &text)
            }
        }
    }

    private func clearChunk(_ id: [UInt8], seq: Int, _ data: ByteView) -> String {
        var text = ByteQueue()
        withByteView(id) { ResponseChunk(requestID: $0, seq: seq, data: data).append(to: &text) }
        return text.view.string
    }

    // MARK: Spoiling

    /// Another first letter for the member of that name.
    private static func spoil(_ member: String, in text: inout String) {
        guard let range = text.firstRange(of: "\"\(member)\":\"") else { return }
        let letter = text[range.upperBound]
        text.replaceSubrange(range.upperBound...range.upperBound, with: letter == "A" ? "B" : "A")
    }

    private static func recount(by step: Int, in text: inout String) {
        guard let range = text.firstRange(of: "\"seq\":") else { return }
        let digits = text[range.upperBound...].prefix { $0.isNumber }
        text.replaceSubrange(digits.startIndex..<digits.endIndex, with: "\((Int(digits) ?? 0) + step)")
    }

    private static func cut(in text: inout String) {
        guard let range = text.firstRange(of: "\"ciphertext\":\"") else { return }
        let end = text[range.upperBound...].firstIndex(of: "\"") ?? text.endIndex
        let middle = text.index(range.upperBound, offsetBy: text[range.upperBound..<end].count / 2)
        text.removeSubrange(middle..<end)
    }
}
