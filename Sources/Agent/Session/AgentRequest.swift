import Primitives
import ProviderProtocol

/// One request in flight: knows its name on the wire, counts its chunks, and hands what the engine says to the session.
final class AgentRequest: EngineReply {
    let id: String
    let idBytes: [UInt8]
    let isStreaming: Bool
    let startedAt: MonotonicInstant
    var engineID = EngineRequestID(number: 0)
    var firstDataAt: MonotonicInstant?
    var chunkCount = 0
    var usage: Usage?
    /// In an encrypted session: what is authenticated with each chunk.
    var chunkContext: ChunkContext?
    private unowned let session: AgentSession

    init(id: ByteView, isStreaming: Bool, session: AgentSession, now: MonotonicInstant) {
        self.id = id.string
        idBytes = id.array
        self.isStreaming = isStreaming
        self.session = session
        startedAt = now
    }

    func engineProduced(_ data: ByteView) { session.relay(data, of: self) }
    func engineFinished(_ result: EngineResult) { session.engineFinished(self, result) }

    final class ChunkContext {
        let additionalData: AdditionalData

        init(_ additionalData: consuming AdditionalData) { self.additionalData = additionalData }
    }

    /// What the answer had in tokens. Without the engine's own count an event counts as one: the first brings the role
    /// and the last two the end.
    var tokenCount: Int { usage?.completionTokens ?? (isStreaming ? max(0, chunkCount - 3) : 0) }
}
