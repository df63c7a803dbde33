import Agent
import Primitives

/// Keeps what an engine says.
final class RecordingReply: EngineReply {
    private(set) var pieces: [String] = []
    private(set) var result: EngineResult?
    /// Called with each piece, for a reply that reacts.
    var onPiece: (() -> Void)?

    func engineProduced(_ data: ByteView) {
        pieces.append(data.string)
        onPiece?()
    }

    func engineFinished(_ result: EngineResult) {
        precondition(self.result == nil, "finished twice")
        self.result = result
    }

    var text: String { pieces.joined() }
}

extension Engine {
    func start(_ body: String, isStreaming: Bool = true, reply: any EngineReply) -> EngineRequestID {
        withByteView(body) { start(EngineRequest(body: $0, isStreaming: isStreaming), reply: reply) }
    }
}
