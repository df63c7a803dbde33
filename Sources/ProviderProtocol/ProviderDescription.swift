import JSON
package import Primitives

/// What a provider says about itself in either handshake (docs/protocol.md sections 3 and 4), validated.
package struct ProviderDescription: Sendable, Equatable {
    /// Matches `[a-zA-Z0-9_.-]{1,64}`.
    package var providerID: String
    package var hostname: String
    package var modelID: String
    /// Billions of parameters.
    package var modelParamsB: Double
    package var ramGB: Double
    /// At least 1.
    package var maxContextTokens: Int
    /// 1 ... 1,024.
    package var maxConcurrency: Int
    package var throughputTPSEstimate: Double
    package var binaryVersion: String
    package var endpointURL: String?

    package static let concurrencyRange = 1...1024
    /// Not of the protocol: keeps a message from pinning megabytes to a session.
    static let endpointURLByteCount = 2048

    package init(
        providerID: String, hostname: String, modelID: String, modelParamsB: Double, ramGB: Double,
        maxContextTokens: Int, maxConcurrency: Int, throughputTPSEstimate: Double, binaryVersion: String,
        endpointURL: String? = nil
    ) {
        self.providerID = providerID
        self.hostname = hostname
        self.modelID = modelID
        self.modelParamsB = modelParamsB
        self.ramGB = ramGB
        self.maxContextTokens = maxContextTokens
        self.maxConcurrency = maxConcurrency
        self.throughputTPSEstimate = throughputTPSEstimate
        self.binaryVersion = binaryVersion
        self.endpointURL = endpointURL
    }

    init(_ message: JSONValue) throws(MessageError) {
        let id = try message.text("provider_id")
        guard Self.isProviderID(id) else { throw .invalid(field: "provider_id") }
        providerID = id.string
        hostname = try message.text("hostname", in: 0...253).string
        modelID = try message.text("model_id", in: 1...256).string
        modelParamsB = try message.number("model_params_b")
        ramGB = try message.number("ram_gb")
        maxContextTokens = try message.integer("max_context_tokens", in: 1...Int.max)
        maxConcurrency = try message.integer("max_concurrency", in: Self.concurrencyRange)
        throughputTPSEstimate = try message.number("throughput_tps_estimate")
        binaryVersion = try message.text("binary_version", in: 0...32).string
        endpointURL = try message.optionalText("endpoint_url", in: 0...Self.endpointURLByteCount)?.string
    }

    /// Whether `text` matches `[a-zA-Z0-9_.-]{1,64}`.
    package static func isProviderID(_ text: ByteView) -> Bool {
        guard (1...64).contains(text.count) else { return false }
        return text.buffer.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2E, 0x2D: true
            default: false
            }
        }
    }

    /// Without `endpoint_url`, which stands last in a hello.
    func append(to writer: inout JSONWriter) {
        writer.member("provider_id", providerID)
        writer.member("hostname", hostname)
        writer.member("model_id", modelID)
        writer.member("model_params_b", modelParamsB)
        writer.member("ram_gb", ramGB)
        writer.member("max_context_tokens", maxContextTokens)
        writer.member("max_concurrency", maxConcurrency)
        writer.member("throughput_tps_estimate", throughputTPSEstimate)
        writer.member("binary_version", binaryVersion)
    }
}
