import Coordinator
import Crypto
import JSON
import Primitives
import ProviderProtocol
import TestKit

/// A provider of version 2 whose every message is the test's: it can misbehave. It seals with the product's own values,
/// which have an independent implementation to answer to elsewhere.
final class EncryptedProvider {
    struct Request {
        var id: String
        var stream: Bool
        var body: String
    }

    let simulated: SimulatedProvider
    private(set) var requests: [Request] = []
    private(set) var rekeyRequests: [RekeyRequest] = []
    private(set) var rejection: (code: String, message: String)?
    private(set) var acceptance: AuthAcceptance?
    var onRequest: ((EncryptedProvider, Request) -> Void)?
    /// Changes the proof, or with nil sends none.
    var proof: (AuthProof) -> AuthProof? = { $0 }
    var answersRekeys = true

    private var handshake: ProviderHandshake?
    private var leg: EncryptedLeg?
    private var rekey: ProviderRekey?
    private let workspace = LegWorkspace()
    private let parser = JSONParser()
    private let environment: SimulatedEnvironment

    init(
        _ world: SimulatedWorld, id: String = "m1", slots: Int = 4, publicKey: String? = nil,
        capabilities: Tier2Capabilities = ProviderHandshake.capabilities
    ) throws {
        environment = world.environment
        let description = ProviderDescription(
            providerID: id, hostname: "host.test", modelID: "test-model", modelParamsB: 7, ramGB: 16,
            maxContextTokens: 8192, maxConcurrency: slots, throughputTPSEstimate: 20, binaryVersion: "1.2.0")
        let handshake = ProviderHandshake(
            description: description, privateKey: try Self.privateKey(world.environment), capabilities: capabilities)
        var initial = handshake.initial
        if let publicKey { initial.providerPublicKey = publicKey }
        self.handshake = consume handshake
        var hello = ByteQueue()
        AuthRequest.initial(initial).append(to: &hello)
        simulated = SimulatedProvider(
            world.environment, to: world.coordinator.providerAcceptor, id: id, hello: hello.view.string)
        simulated.far.isRecording = true
        simulated.near.isRecording = true
        simulated.onMessage = { [unowned self] _, text in received(text) }
    }

    var isLive: Bool { simulated.isLive }

    static func privateKey(_ environment: SimulatedEnvironment) throws -> X25519PrivateKey {
        try X25519PrivateKey(SecretKey(byteCount: 32) { environment.fillRandom($0) })
    }

    // MARK: Receiving

    private func received(_ text: String) {
        var bytes = ByteQueue()
        bytes.append(text)
        guard let message = try? CoordinatorMessage.parse(bytes.view, with: parser) else { return }
        switch message {
        case .authChallenge(let challenge):
            guard let honest = try? handshake?.challengeReceived(challenge), let sent = proof(honest) else { return }
            send { AuthRequest.proof(sent).append(to: &$0) }
        case .authResponse(.accepted(let acceptance)):
            self.acceptance = acceptance
            leg = try? handshake?.accepted(acceptance)
        case .authResponse(.rejected(let code, let message)): rejection = (code, message)
        case .sealedInferenceRequest(let frame):
            guard let opened = try? leg?.openRequest(frame, workspace) else { return }
            let request = Request(
                id: opened.requestID.string, stream: opened.stream, body: opened.body.string)
            requests.append(request)
            onRequest?(self, request)
        case .rekeyRequest(let request):
            rekeyRequests.append(request)
            guard answersRekeys else { return }
            rekey = makeRekey(request)
            if let response = rekey?.response { send { response.append(to: &$0) } }
        case .rekeyCommit(let proof):
            guard let rekey = rekey.take() else { return }
            var answer = ByteQueue()
            if let new = try? rekey.commitReceived(proof, now: environment.now, workspace, into: &answer) {
                leg = consume new
                send { $0.append(answer.view) }
            }
        default: break
        }
    }

    private func makeRekey(_ request: RekeyRequest) -> ProviderRekey? {
        guard let old = leg.take() else { return nil }
        let made = try? ProviderRekey(
            request, replacing: old, privateKey: Self.privateKey(environment), timeout: .seconds(10),
            now: environment.now)
        leg = consume old
        return made
    }

    // MARK: Sending

    private func send(_ body: (inout ByteQueue) -> Void) {
        var queue = ByteQueue()
        body(&queue)
        simulated.sendText(queue.view.string)
    }

    /// The text of a sealed chunk, to be sent as it is or spoilt.
    func chunk(_ request: Request, seq: Int, data: String) -> String {
        var queue = ByteQueue()
        withByteView(Array(request.id.utf8)) { id in
            withByteView(Array(data.utf8)) { data in
                guard let context = leg?.chunkAdditionalData(requestID: id, stream: request.stream) else { return }
                try? leg?.sealChunk(
                    ResponseChunk(requestID: id, seq: seq, data: data), context, workspace, into: &queue)
            }
        }
        return queue.view.string
    }

    func end(_ request: Request, chunks: Int) -> String {
        var queue = ByteQueue()
        withByteView(Array(request.id.utf8)) {
            try? leg?.sealEnd(
                ResponseEnd(requestID: $0, status: .complete, chunksSent: chunks), stream: request.stream, workspace,
                into: &queue)
        }
        return queue.view.string
    }

    func answer(_ request: Request, chunks count: Int = 3) {
        for seq in 0..<count {
            let data = request.stream ? SimulatedProvider.event(request.id, seq) : "{\"id\":\"\(request.id)\"}"
            simulated.sendText(chunk(request, seq: seq, data: data))
            if !request.stream { break }
        }
        simulated.sendText(end(request, chunks: request.stream ? count : 1))
    }
}

extension SimulatedWorld {
    func encryptedProvider(
        _ id: String = "m1", slots: Int = 4, capabilities: Tier2Capabilities = ProviderHandshake.capabilities,
        onRequest: ((EncryptedProvider, EncryptedProvider.Request) -> Void)? = { $0.answer($1) }
    ) throws -> EncryptedProvider {
        let provider = try EncryptedProvider(self, id: id, slots: slots, capabilities: capabilities)
        provider.onRequest = onRequest
        _ = environment.run(upTo: .seconds(5)) { provider.isLive || provider.simulated.phase == .closed }
        return provider
    }
}
