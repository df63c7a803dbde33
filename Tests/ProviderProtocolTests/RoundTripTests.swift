import JSON
import Primitives
import ProviderProtocol
import Testing

/// Each message as its own writer writes it, read by the parser, and written again: the two texts must agree.
@Suite struct RoundTripTests {
    @Test(arguments: Samples.providerMessages) func providerMessage(sample: String) throws {
        let parser = JSONParser()
        try withPadded(sample) { view in
            let message = try ProviderMessage.parse(view, with: parser)
            var written = ByteQueue()
            switch message {
            case .hello(let hello): hello.append(to: &written)
            case .authRequest(let request): request.append(to: &written)
            case .heartbeat(let heartbeat): heartbeat.append(to: &written)
            case .stateUpdate(let update): update.append(to: &written)
            case .drainStatus(let status): status.append(to: &written)
            case .preflightAck(let acknowledgement): acknowledgement.append(to: &written)
            case .chunk(let chunk): chunk.append(to: &written)
            case .end(let end): end.append(to: &written)
            case .nak(let nak): nak.append(to: &written)
            case .sealedChunk(let frame): frame.append(.responseChunk, to: &written)
            case .sealedEnd(let frame): frame.append(.responseEnd, to: &written)
            case .rekeyResponse(let response): response.append(to: &written)
            case .rekeyCommitted(let proof): proof.append(.committed, to: &written)
            case .unknown(let type): Issue.record("unknown type \(type.string)")
            }
            #expect(written.view.string == sample)
        }
    }

    @Test(arguments: Samples.coordinatorMessages) func coordinatorMessage(sample: String) throws {
        let parser = JSONParser()
        try withPadded(sample) { view in
            let message = try CoordinatorMessage.parse(view, with: parser)
            var written = ByteQueue()
            switch message {
            case .helloAck(let acknowledgement): acknowledgement.append(to: &written)
            case .authChallenge(let challenge): challenge.append(to: &written)
            case .authResponse(let response): response.append(to: &written)
            case .preflight(let preflight): preflight.append(to: &written)
            case .inferenceRequest(let request): request.append(to: &written)
            case .sealedInferenceRequest(let frame): frame.append(.inferenceRequest, to: &written)
            case .cancelRequest(let request): request.append(to: &written)
            case .drain: CoordinatorMessage.drain(into: &written)
            case .warmUp: CoordinatorMessage.warmUp(into: &written)
            case .rekeyRequest(let request): request.append(to: &written)
            case .rekeyCommit(let proof): proof.append(.commit, to: &written)
            case .unknown(let type): Issue.record("unknown type \(type.string)")
            }
            #expect(written.view.string == sample)
        }
    }

    @Test func coordinatorWritesWithItsOwnRequestIDs() throws {
        let id = RequestID(UniqueID(high: 1, low: 2), index: 0x12_3456)
        let parser = JSONParser()
        var queue = ByteQueue()
        CoordinatorMessage.inferenceRequest(
            requestID: id, stream: true, body: ByteView("{\"a\":\"b\\n\"}"), into: &queue)
        guard case .inferenceRequest(let request) = try CoordinatorMessage.parse(queue.view, with: parser) else {
            throw Failure(what: "no request")
        }
        #expect(RequestID(request.requestID) == id && request.stream && request.body == "{\"a\":\"b\\n\"}")

        queue.removeAll()
        CoordinatorMessage.preflight(requestID: id, estimatedTokens: 7, into: &queue)
        guard case .preflight(let preflight) = try CoordinatorMessage.parse(queue.view, with: parser) else {
            throw Failure(what: "no preflight")
        }
        #expect(RequestID(preflight.requestID) == id && preflight.estimatedTokens == 7)

        queue.removeAll()
        CoordinatorMessage.cancelRequest(requestID: id, reason: .timeout, into: &queue)
        guard case .cancelRequest(let cancel) = try CoordinatorMessage.parse(queue.view, with: parser) else {
            throw Failure(what: "no cancel")
        }
        #expect(RequestID(cancel.requestID) == id && cancel.reason == .timeout)
    }

    @Test func exampleHelloOfTheProtocol() throws {
        let parser = JSONParser()
        try withPadded(Samples.hello) { view in
            guard case .hello(let hello) = try ProviderMessage.parse(view, with: parser) else {
                throw Failure(what: "no hello")
            }
            let expected = ProviderHello(
                description: ProviderDescription(
                    providerID: "m4-anon", hostname: "host.local", modelID: "mlx-community/Qwen2.5-7B-Instruct-4bit",
                    modelParamsB: 7, ramGB: 16, maxContextTokens: 50000, maxConcurrency: 2,
                    throughputTPSEstimate: 19.8, binaryVersion: "1.2.0"))
            #expect(hello == expected)
            #expect(hello.providerID == "m4-anon" && hello.maxConcurrency == 2 && hello.endpointURL == nil)
        }
    }

    @Test func sealedContents() throws {
        let parser = JSONParser()
        var queue = ByteQueue()
        SealedContent.appendRequest(body: ByteView("{\"x\":\"\\\"\"}"), to: &queue)
        #expect(try SealedContent.requestBody(queue.view, with: parser) == "{\"x\":\"\\\"\"}")
        #expect(throws: MessageError.invalid(field: "type")) { try SealedContent.chunk(queue.view, with: parser) }

        queue.removeAll()
        SealedContent.appendChunk(seq: 9, data: ByteView("data: x\n\n"), to: &queue)
        let chunk = try SealedContent.chunk(queue.view, with: parser)
        #expect(chunk.seq == 9 && chunk.data == "data: x\n\n")

        queue.removeAll()
        ResponseEnd(requestID: ByteView("req-1"), status: .complete, chunksSent: 3).append(to: &queue)
        #expect(try SealedContent.end(queue.view, with: parser).chunksSent == 3)

        queue.removeAll()
        SealedContent.appendAdditionalData(
            type: "inference_request", direction: .coordinatorToProvider, requestID: ByteView("req-1"), stream: true,
            providerID: "p", assignedID: "s", seq: 4, to: &queue)
        let additionalData =
            #"{"type":"inference_request","direction":"c2p","request_id":"req-1","stream":true,"provider_id":"p","#
            + #""assigned_id":"s","seq":4}"#
        #expect(queue.view.string == additionalData)
    }

    @Test func rekeyProofContentHasItsKeysInOrder() {
        let attempt = RekeyAttempt(rekeyID: "r", assignedID: "s", oldKeyID: "k0")
        let content = RekeyProofContent(
            request: RekeyRequest(
                attempt: attempt, reason: .ageThreshold, coordinatorPublicKey: "C", expiresAt: "T",
                responseChunkPlaintextEnvelope: true),
            response: RekeyResponse(attempt: attempt, newKeyID: "k1", providerPublicKey: "P"), providerID: "p")
        var queue = ByteQueue()
        content.append(to: &queue)
        let expected =
            #"{"type":"aead_rekey_proof","version":1,"rekey_id":"r","provider_id":"p","assigned_id":"s","old_kid":"k0","#
            + #""new_kid":"k1","provider_ecdh_public_key":"P","coordinator_ecdh_public_key":"C","#
            + #""selected_aead":"A256GCM","expires_at":"T"}"#
        #expect(queue.view.string == expected)
    }
}

struct Failure: Error { var what: String }

/// Lends the bytes with the padding that a parse in place asks for.
func withPadded<Result>(_ text: String, _ body: (ByteView) throws -> Result) rethrows -> Result {
    var queue = ByteQueue()
    queue.append(text)
    return try body(queue.view)
}
