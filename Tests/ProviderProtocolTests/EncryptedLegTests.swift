import Crypto
import Primitives
import Testing

@testable import ProviderProtocol

@Suite("The encrypted leg") struct EncryptedLegTests {
    // MARK: Against the independent implementation

    @Test func thereAreVectors() { #expect(LegVectors.all.count == 3) }

    @Test(arguments: LegVectors.all) func keysAreTheSameOnBothSides(_ session: LegVectors.Session) throws {
        let provider = try LegWorld.privateKey(hexadecimal: session.provider_private_key)
        let coordinator = try LegWorld.privateKey(hexadecimal: session.coordinator_private_key)
        #expect(provider.publicKeyText == session.provider_public_key)
        #expect(coordinator.publicKeyText == session.coordinator_public_key)
        let identity = LegIdentity(providerID: session.provider_id, assignedID: session.assigned_id)
        for role in [LegRole.coordinator, .provider] {
            let keys =
                if role == .provider {
                    try LegKeys.derive(
                        role: role, privateKey: provider, peerPublicKey: coordinator.publicKeyText, identity: identity)
                } else {
                    try LegKeys.derive(
                        role: role, privateKey: coordinator, peerPublicKey: provider.publicKeyText, identity: identity)
                }
            #expect(keys.keyID == session.key_id)
            #expect(keys.coordinatorToProvider.withBytes { Hexadecimal.encode($0) } == session.c2p_key)
            #expect(keys.providerToCoordinator.withBytes { Hexadecimal.encode($0) } == session.p2c_key)
            #expect(withByteView(keys.coordinatorToProviderNonce) { Hexadecimal.encode($0) } == session.c2p_nonce)
            #expect(withByteView(keys.providerToCoordinatorNonce) { Hexadecimal.encode($0) } == session.p2c_nonce)
        }
    }

    private func world(of session: LegVectors.Session) throws -> LegWorld {
        let world = try LegWorld()
        let identity = LegIdentity(providerID: session.provider_id, assignedID: session.assigned_id)
        world.coordinator = try EncryptedLeg(
            role: .coordinator, privateKey: LegWorld.privateKey(hexadecimal: session.coordinator_private_key),
            peerPublicKey: session.provider_public_key, identity: identity, hasChunkEnvelope: session.envelope)
        world.provider = try EncryptedLeg(
            role: .provider, privateKey: LegWorld.privateKey(hexadecimal: session.provider_private_key),
            peerPublicKey: session.coordinator_public_key, identity: identity, hasChunkEnvelope: session.envelope)
        return world
    }

    /// The messages are the same byte for byte, and each is understood by the other end.
    @Test(arguments: LegVectors.all) func messagesAreTheSame(_ session: LegVectors.Session) throws {
        let world = try world(of: session)
        for request in session.requests {
            let own = try world.request(request.request_id, stream: request.stream, body: request.body)
            #expect(own == request.message)
            let opened = try world.openRequest(request.message)
            #expect(opened == (request.request_id, request.stream, request.body))
        }
        var chunks = session.chunks[...]
        for end in session.ends {
            for chunk in chunks.prefix(end.chunks_sent) {
                let own = try world.chunk(chunk.request_id, stream: chunk.stream, seq: chunk.seq, data: chunk.data)
                #expect(own == chunk.message)
                let opened = try world.openChunk(chunk.message, as: chunk.request_id, stream: chunk.stream)
                #expect(opened == (session.envelope ? chunk.seq : nil, chunk.data))
            }
            chunks = chunks.dropFirst(end.chunks_sent)
            let own = try world.end(end.request_id, stream: end.stream, chunksSent: end.chunks_sent)
            #expect(own == end.message)
            let opened = try world.openEnd(end.message, stream: end.stream)
            #expect(opened == (end.request_id, end.chunks_sent))
        }
        #expect(world.coordinator.opener.lowestMissingSeq == session.chunks.count + session.ends.count)
        #expect(world.coordinator.sealer.nextSeq == session.requests.count)
    }

    // MARK: What is refused

    /// One frame with each of its bits flipped, one at a time: none opens, and the frame itself still does.
    @Test func anyFlippedBitIsRefused() throws {
        let world = try LegWorld()
        let message = Array(try world.chunk(data: "data: {\"x\":1}\n\n").utf8)
        var opened = 0
        for bit in 0..<message.count * 8 {
            var changed = message
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            let isOpened = withByteView(changed) { view in
                var queue = ByteQueue()
                queue.append(view)
                guard case .sealedChunk(let frame)? = try? ProviderMessage.parse(queue.view, with: world.parser) else {
                    return false
                }
                return withByteView(Array(LegWorld.requestID.utf8)) {
                    // As a session does it: the request is found by the id in the message.
                    guard frame.requestID == $0 else { return false }
                    let additionalData = world.coordinator.chunkAdditionalData(requestID: $0, stream: true)
                    return (try? world.coordinator.openChunk(frame, additionalData, world.workspace)) != nil
                }
            }
            if isOpened { opened += 1 }
        }
        #expect(opened == 0)
        #expect(try world.openChunk(String(decoding: message, as: UTF8.self)).data == "data: {\"x\":1}\n\n")
    }

    @Test func aReplayIsRefused() throws {
        let world = try LegWorld()
        let first = try world.chunk(seq: 0, data: "a")
        let second = try world.chunk(seq: 1, data: "b")
        _ = try world.openChunk(second)
        #expect(throws: LegError.replayed) { try world.openChunk(second) }
        // It was only overtaken.
        _ = try world.openChunk(first)
        #expect(throws: LegError.replayed) { try world.openChunk(first) }
        #expect(throws: LegError.replayed) { try world.openChunk(second) }
        #expect(world.coordinator.opener.lowestMissingSeq == 2)
    }

    @Test func aFrameMayBeAsFarAheadAsTheWindowIsWide() throws {
        let world = try LegWorld()
        var frames: [String] = []
        for seq in 0...4_097 { frames.append(try world.chunk(seq: seq, data: "x")) }
        #expect(throws: LegError.tooFarAhead) { try world.openChunk(frames[4_097]) }
        #expect(try world.openChunk(frames[4_096]).seq == 4_096)
        #expect(throws: LegError.tooFarAhead) { try world.openChunk(frames[4_097]) }
        _ = try world.openChunk(frames[0])
        #expect(try world.openChunk(frames[4_097]).seq == 4_097)
    }

    @Test func aFrameForAnotherPlaceIsRefused() throws {
        let world = try LegWorld()
        let chunk = try world.chunk(data: "x")
        #expect(throws: LegError.wrongAdditionalData) { try world.openChunk(chunk, stream: false) }
        #expect(throws: LegError.wrongAdditionalData) { try world.openChunk(chunk, as: "req-other") }
        // A chunk is no end.
        let asEnd = chunk.replacingOccurrence(of: "inference_response_chunk", with: "inference_response_end")
        #expect(throws: LegError.wrongAdditionalData) { try world.openEnd(asEnd) }
        // What went the other way does not come back as an answer.
        let request = try world.request(body: "{}")
        let reflected = request.replacingOccurrence(of: "inference_request", with: "inference_response_chunk")
        #expect(throws: LegError.wrongNonce) { try world.openChunk(reflected) }
        _ = try world.openChunk(chunk)
    }

    @Test func otherFieldsOfAFrameAreChecked() throws {
        let world = try LegWorld()
        let chunk = try world.chunk(data: "x")
        let kid = world.coordinator.keyID
        #expect(throws: LegError.wrongKeyID) {
            try world.openChunk(chunk.replacingOccurrence(of: kid, with: "AAAAAAAAAAAAAAAAAAAAAA"))
        }
        #expect(throws: LegError.wrongAlgorithm) {
            try world.openChunk(chunk.replacingOccurrence(of: "\"A256GCM\"", with: "\"none\""))
        }
        #expect(throws: LegError.wrongNonce) {
            try world.openChunk(chunk.replacingOccurrence(of: "\"seq\":0", with: "\"seq\":1"))
        }
        #expect(throws: LegError.exhausted) {
            try world.openChunk(chunk.replacingOccurrence(of: "\"seq\":0", with: "\"seq\":9223372036854775807"))
        }
        #expect(throws: LegError.malformed) {
            try world.openChunk(chunk.replacingOccurrence(of: "\"tag\":\"", with: "\"tag\":\"AA"))
        }
        #expect(throws: LegError.malformed) {
            try world.openChunk(chunk.replacingOccurrence(of: "\"ciphertext\":\"", with: "\"ciphertext\":\"==="))
        }
        _ = try world.openChunk(chunk)
    }

    /// The same facts in another spelling are not the same bytes.
    @Test(arguments: [
        #"{"type":"inference_response_chunk","direction":"p2c","request_id":"$","stream":true,"provider_id":"m4-anon","assigned_id":"11111111-2222-4333-8444-555555555555","seq":0} "#,
        #"{"type":"inference_response_chunk", "direction":"p2c","request_id":"$","stream":true,"provider_id":"m4-anon","assigned_id":"11111111-2222-4333-8444-555555555555","seq":0}"#,
        #"{"direction":"p2c","type":"inference_response_chunk","request_id":"$","stream":true,"provider_id":"m4-anon","assigned_id":"11111111-2222-4333-8444-555555555555","seq":0}"#,
        #"{"type":"inference_response_chunk","direction":"p2c","request_id":"$","stream":true,"provider_id":"m4-anon","assigned_id":"11111111-2222-4333-8444-555555555555","seq":00}"#,
        #"{"type":"inference_response_chunk","direction":"p2c","request_id":"$","stream":true,"provider_id":"m4-anon","assigned_id":"11111111-2222-4333-8444-555555555555","seq":1}"#,
    ])
    func additionalDataInAnotherSpellingIsRefused(_ spelling: String) throws {
        let world = try LegWorld()
        let frame = try world.chunk(data: "x")
        let text = spelling.replacingOccurrence(of: "$", with: LegWorld.requestID)
        let encoded = withByteView(text) { Base64.url.encode($0) }
        let start = try #require(frame.firstRange(of: "\"aad\":\"")).upperBound
        let end = try #require(frame[start...].firstIndex(of: "\""))
        var changed = frame
        changed.replaceSubrange(start..<end, with: encoded)
        #expect(throws: LegError.wrongAdditionalData) { try world.openChunk(changed) }
        _ = try world.openChunk(frame)
    }

    @Test func framesOfAnotherSessionAreRefused() throws {
        let world = try LegWorld()
        let other = try LegWorld()
        let key = try LegWorld.privateKey(seed: 1)
        other.provider = try EncryptedLeg(
            role: .provider, privateKey: LegWorld.privateKey(seed: 2), peerPublicKey: key.publicKeyText,
            identity: LegIdentity(providerID: "m4-anon", assignedID: "11111111-2222-4333-8444-555555555556"),
            hasChunkEnvelope: true)
        #expect(throws: LegError.wrongKeyID) { try world.openChunk(other.chunk(data: "x")) }
    }

    @Test func authenticContentMustBeOfItsType() throws {
        let world = try LegWorld()
        let plain = try LegWorld(hasChunkEnvelope: false)
        // Bare data where an envelope was agreed.
        #expect(throws: LegError.badContent(.notJSON)) { try world.openChunk(plain.chunk(data: "data: x\n\n")) }
        let end = try plain.chunk(
            data:
                "{\"type\":\"inference_response_end\",\"request_id\":\"\(LegWorld.requestID)\",\"status\":\"complete\"}"
        )
        #expect(throws: LegError.badContent(.invalid(field: "type"))) { try world.openChunk(end) }
    }

    @Test func framesOfForgottenRequestsAreUsedUp() throws {
        let world = try LegWorld()
        for stream in [true, false] {
            let chunk = try world.chunk("req-gone", stream: stream, data: "x")
            try world.discard(chunk)
            #expect(throws: LegError.replayed) { try world.discard(chunk) }
            try world.discard(world.end("req-gone", stream: stream, chunksSent: 1))
        }
        #expect(world.coordinator.opener.lowestMissingSeq == 4)
        let chunk = try world.chunk("req-gone", data: "x")
        #expect(throws: LegError.wrongAdditionalData) {
            try world.discard(chunk.replacingOccurrence(of: "req-gone", with: "req-here"))
        }
    }

    @Test func badPublicKeysAreRefused() throws {
        for text in ["", "AAAA", String(repeating: "A", count: 43), String(repeating: "=", count: 43)] {
            #expect(throws: LegError.badPublicKey) {
                _ = try EncryptedLeg(
                    role: .coordinator, privateKey: LegWorld.privateKey(seed: 1), peerPublicKey: text,
                    identity: LegWorld.identity, hasChunkEnvelope: true)
            }
        }
    }

    // MARK: Sizes

    @Test func theBoundOnAFrameHolds() throws {
        let world = try LegWorld()
        for count in [0, 1, 2, 100, 5_000] {
            for text in [String(repeating: "x", count: count), String(repeating: "\u{1}", count: count)] {
                let request = try world.request(body: text)
                #expect(request.utf8.count <= withByteView(text) { EncryptedLeg.requestByteCount(body: $0) })
                let chunk = try world.chunk(seq: 1_000_000_000, data: text)
                #expect(chunk.utf8.count <= withByteView(text) { EncryptedLeg.chunkByteCount(data: $0) })
            }
        }
    }

    @Test func aLargeRequestLeavesNoMemoryBehind() throws {
        let world = try LegWorld()
        let body = String(repeating: "0123456789\n", count: 100_000)
        #expect(try world.openRequest(world.request(body: body)).body == body)
        _ = try world.openRequest(world.request(body: "{}"))
        #expect(world.workspace.allocatedByteCount < 64 * 1024)
    }
}

@Suite struct ReplayWindowTests {
    /// Against the obvious model: a set of all numbers seen.
    @Test(arguments: UInt64(1)...20) func agreesWithASet(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var window = ReplayWindow()
        var seen: Set<Int> = []
        var lowest = 0
        for _ in 0..<20_000 {
            let spread = [1, 3, 40, 5_000][Int(random.next() % 4)]
            let seq = max(0, lowest - 2) + Int(random.next() % UInt64(spread))
            let expected: ReplayWindow.Verdict =
                seen.contains(seq) ? .replayed : seq - lowest > 4_096 ? .tooFarAhead : .fresh
            #expect(window.verdict(on: seq) == expected)
            guard expected == .fresh else { continue }
            window.accepted(seq)
            seen.insert(seq)
            while seen.contains(lowest) { lowest += 1 }
            #expect(window.lowestMissing == lowest)
        }
    }

    @Test func inOrderNothingIsKept() {
        var window = ReplayWindow()
        for seq in 0..<10_000 { window.accepted(seq) }
        var same = ReplayWindow()
        for seq in 0..<10_000 { same.accepted(seq ^ 1) }
        #expect(window == same)
    }
}

extension String {
    func replacingOccurrence(of text: String, with other: String) -> String {
        guard let range = firstRange(of: text) else { return self }
        var copy = self
        copy.replaceSubrange(range, with: other)
        return copy
    }
}
