package import JSON
package import Primitives
package import ProviderProtocol

extension EngineFailure {
    /// Longest error body that is looked at.
    package static let bodyByteCount = 64 * 1024

    /// What an engine's HTTP error means. Engines agree on the form (`{"error":{"message","code","type"}}`, some with
    /// `detail` or a bare string), but not on the words, so codes are looked at first and wording second.
    package static func answered(status: Int, body: ByteView, parser: JSONParser) -> EngineFailure {
        let said = Said(body, parser)
        let message = "engine answered \(status): \(said.text)"
        switch status {
        case 400, 413, 422:
            return EngineFailure(
                said.isAboutContext || status == 413 ? .contextExceeded : .refused, message, status: status)
        case 404:
            return EngineFailure(.modelNotLoaded, message, status: status)
        case 429, 503:
            return EngineFailure(.queueFull, message, status: status)
        case 500...:
            // llama.cpp's server and Ollama have told of a full context with 500.
            return EngineFailure(said.isAboutContext ? .contextExceeded : .broken, message, status: status)
        default:
            return EngineFailure(.refused, message, status: status)
        }
    }

    /// What is told to the coordinator (docs/protocol.md, section 7). It knows no status for a request that only this
    /// engine finds malformed.
    package var endStatus: EndStatus {
        switch kind {
        case .modelNotLoaded: .errorModelNotLoaded
        case .contextExceeded: .errorContextExceeded
        case .queueFull: .errorQueueFull
        case .unreachable, .refused, .broken: .errorInternal
        }
    }

    private struct Said {
        var text: String
        var isAboutContext: Bool

        /// Longest text that is no JSON: a proxy's page, say.
        private static let plainByteCount = 200

        init(_ body: ByteView, _ parser: JSONParser) {
            var code = ""
            // Of JSON only the message is told: some engines quote the whole request beside it, and prompts do not
            // belong in logs.
            var text = "no message"
            if body.count <= EngineFailure.bodyByteCount, let json = try? parser.parse(copying: body) {
                let error = json["error"] ?? json["detail"] ?? json
                let said = error.string ?? error["message"]?.string ?? json["message"]?.string
                if let said { text = said.prefix(EngineFailure.messageByteCount).string }
                code = (error["code"]?.string ?? error["type"]?.string)?.prefix(64).string ?? ""
                if let type = error["type"]?.string { code += " " + type.prefix(64).string }
            } else if !body.isEmpty {
                text = body.prefix(Self.plainByteCount).string
            }
            self.text = text
            let words = text.lowercased()
            isAboutContext =
                code.contains("context_length_exceeded") || code.contains("exceed_context_size")
                || Self.phrases.contains { words.contains($0) }
        }

        private static let phrases = [
            "context length", "context size", "context window", "maximum context", "context_length", "too many tokens",
            "exceeds the available context", "longer than the maximum model length", "prompt is too long",
        ]
    }
}
