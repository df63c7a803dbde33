import Environment
import Primitives
import ProviderProtocol

/// What a session of version 2 has besides: its keys, and the exchange that gives it new ones.
final class AgentLeg {
    var leg: EncryptedLeg
    let workspace = LegWorkspace()
    private var rekey: ProviderRekey?

    init(_ leg: consuming EncryptedLeg) { self.leg = leg }

    /// When a rekey that has begun must be over.
    var rekeyDeadline: MonotonicInstant? { rekey?.deadline }

    // MARK: Answers

    /// The bytes that a chunk may take as a message.
    func chunkByteCount(_ data: ByteView) -> Int { EncryptedLeg.chunkByteCount(data: data) }

    func sealChunk(_ chunk: ResponseChunk, of request: AgentRequest, into queue: inout ByteQueue) throws(LegError) {
        let context: AgentRequest.ChunkContext
        if let known = request.chunkContext {
            context = known
        } else {
            context = AgentRequest.ChunkContext(
                leg.chunkAdditionalData(requestID: chunk.requestID, stream: request.isStreaming))
            request.chunkContext = context
        }
        try leg.sealChunk(chunk, context.additionalData, workspace, into: &queue)
    }

    // MARK: Rekey

    func rekeyRequested(
        _ request: RekeyRequest, environment: any Environment, timeout: Duration
    ) throws(RekeyError) -> RekeyResponse {
        // One at a time: a second request is out of place.
        guard rekey == nil else { throw .unexpected }
        guard let privateKey = environment.makePrivateKey() else { throw .leg(.library) }
        let rekey = try ProviderRekey(
            request, replacing: leg, privateKey: privateKey, timeout: timeout, now: environment.now)
        let response = rekey.response
        self.rekey = consume rekey
        return response
    }

    /// Appends the answer to the commit, and goes on with the new keys.
    func rekeyCommitted(_ proof: RekeyProof, now: MonotonicInstant, into queue: inout ByteQueue) throws(RekeyError) {
        guard let rekey = rekey.take() else { throw .unexpected }
        leg = try rekey.commitReceived(proof, now: now, workspace, into: &queue)
    }
}
