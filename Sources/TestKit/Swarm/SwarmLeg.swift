import Crypto
import Environment
import Primitives
import ProviderProtocol

/// What a provider of version 2 has besides: its keys, and what it has seen of the coordinator's frames.
///
/// It seals and opens with the product's own values, which answer to another implementation elsewhere. What the
/// coordinator may do with a key (numbers, nonces, how many requests) is counted here by itself.
final class SwarmLeg {
    let capabilities: Tier2Capabilities
    private var handshake: ProviderHandshake?
    var current: EncryptedLeg?
    /// The keys before the last change.
    var retired: EncryptedLeg?
    var rekey: ProviderRekey?
    /// How often the keys were changed.
    private(set) var generation = 0
    private(set) var rekeyAfterRequests = Int.max

    /// Of the coordinator's frames under the current key.
    private var nextNumber = 0
    private var nonces: Set<[UInt8]> = []
    private var requestCount = 0
    /// The last chunk, as it was sent under the current key; kept where it may be sent again.
    var lastFrame: String?
    /// Between the request for new keys and the end of the exchange.
    var isRekeying = false

    /// The coordinator has been given a reason to end the session, and must have done so by then.
    var mustEndBy: MonotonicInstant?

    let workspace: LegWorkspace
    private let environment: SimulatedEnvironment

    init(_ environment: SimulatedEnvironment, _ workspace: LegWorkspace, capabilities: Tier2Capabilities) {
        self.environment = environment
        self.workspace = workspace
        self.capabilities = capabilities
    }

    var hasEnvelope: Bool { capabilities.responseChunkPlaintextEnvelope }

    func makePrivateKey() -> X25519PrivateKey? {
        try? X25519PrivateKey(SecretKey(byteCount: X25519PrivateKey.byteCount) { environment.fillRandom($0) })
    }

    // MARK: Greeting

    func begin(_ description: ProviderDescription) -> AuthInitial? {
        guard let key = makePrivateKey() else { return nil }
        let made = ProviderHandshake(description: description, privateKey: key, capabilities: capabilities)
        let initial = made.initial
        handshake = consume made
        return initial
    }

    func challenged(_ challenge: AuthChallenge) -> AuthProof? { try? handshake?.challengeReceived(challenge) }

    /// False: the acceptance does not fit.
    func accepted(_ acceptance: AuthAcceptance) -> Bool {
        guard let leg = try? handshake?.accepted(acceptance) else { return false }
        current = consume leg
        rekeyAfterRequests = acceptance.rekeyAfterRequests
        handshake = nil
        return true
    }

    // MARK: The coordinator's frames

    /// What is wrong with a request's frame, if anything is.
    ///
    /// - Parameter asked: requests at most that a preflight may have been sent for when the keys were used up.
    func saw(_ frame: SealedFrame, asked: Int) -> String? {
        if isRekeying { return "a request while its keys change" }
        guard let keyID = current?.keyID else { return "a sealed request without keys" }
        guard withByteView(keyID, { $0 == frame.envelope.kid }) else { return "a request under another key" }
        guard frame.envelope.seq == nextNumber else { return "frame \(frame.envelope.seq), expected \(nextNumber)" }
        guard nonces.insert(frame.envelope.nonce.array).inserted else { return "a nonce for the second time" }
        nextNumber += 1
        requestCount += 1
        if requestCount - asked > rekeyAfterRequests { return "\(requestCount) requests under one key" }
        return nil
    }

    /// The answer to the request for new keys.
    func beginRekey(_ request: RekeyRequest, timeout: Duration) -> RekeyResponse? {
        guard let key = makePrivateKey(), let old = current.take() else { return nil }
        let made = try? ProviderRekey(
            request, replacing: old, privateKey: key, timeout: timeout, now: environment.now)
        current = consume old
        rekey = consume made
        return rekey?.response
    }

    /// Appends what ends the exchange, and goes on with the new keys. False: the commit does not fit.
    func commit(_ proof: RekeyProof, into answer: inout ByteQueue) -> Bool {
        let nonce = proof.envelope.nonce.array
        guard let rekey = rekey.take(),
            let new = try? rekey.commitReceived(proof, now: environment.now, workspace, into: &answer)
        else { return false }
        retired = current.take()
        current = consume new
        generation += 1
        nextNumber = 1
        nonces = [nonce]
        requestCount = 0
        lastFrame = nil
        isRekeying = false
        return true
    }

    // MARK: Frames of this side

    func sealChunk(id: ByteView, seq: Int, _ data: ByteView, stream: Bool, into text: inout ByteQueue) {
        guard let context = current?.chunkAdditionalData(requestID: id, stream: stream) else { return }
        try? current?.sealChunk(ResponseChunk(requestID: id, seq: seq, data: data), context, workspace, into: &text)
    }

    /// Under the keys before the last change.
    func sealLateChunk(id: ByteView, seq: Int, _ data: ByteView, stream: Bool, into text: inout ByteQueue) {
        guard let context = retired?.chunkAdditionalData(requestID: id, stream: stream) else { return }
        try? retired?.sealChunk(ResponseChunk(requestID: id, seq: seq, data: data), context, workspace, into: &text)
    }

    func sealEnd(_ end: ResponseEnd, stream: Bool, into text: inout ByteQueue) {
        try? current?.sealEnd(end, stream: stream, workspace, into: &text)
    }
}
