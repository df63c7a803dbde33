import ProviderProtocol
package import WebSocketCodec

/// What one provider agent is and how patient it is.
package struct AgentSettings: Sendable {
    package var coordinator: CoordinatorAddress
    /// Sent as `Authorization: Bearer …` on the upgrade when set.
    package var token: String?
    package var providerID: String
    package var hostname: String
    /// The model to serve; nil: the first one that the engine lists.
    package var model: String?
    /// Requests at once, 1...1,024; one more is answered with `error_queue_full`.
    package var slots = 1
    package var maxContextTokens = 4096
    package var modelParamsB = 0.0
    package var ramGB = 0.0
    /// Tokens per second, until there is a measurement.
    package var throughputEstimate = 0.0
    package var binaryVersion: String
    package var endpointURL: String?

    package var encryption = Encryption.automatic

    /// Whether what belongs to requests is sealed (version 2 of the protocol).
    package enum Encryption: Sendable {
        /// Where the coordinator knows how: the next dial greets with version 1 if it does not.
        case automatic
        /// No session without.
        case required
        case off
    }

    package var dialTimeout: Duration = .seconds(10)
    /// From the connection to `hello_ack`.
    package var handshakeTimeout: Duration = .seconds(10)
    /// Silence of the coordinator after which it is asked for a sign of life, and how long the sign may take.
    package var pingInterval: Duration = .seconds(30)
    package var pongTimeout: Duration = .seconds(30)
    /// How long requests in flight may take to finish once this agent was told to stop.
    package var drainTimeout: Duration = .seconds(60)
    /// A session that lasted this long proves that the coordinator is well: the next wait is a short one.
    package var settledInterval: Duration = .seconds(30)
    /// Above this many bytes, or messages, waiting for the coordinator the engine has to wait; below half of it goes on.
    package var highWaterByteCount = 1024 * 1024
    package var highWaterMessageCount = 1024
    package var writerLimits = Self.defaultWriterLimits

    package init(coordinator: CoordinatorAddress, providerID: String, hostname: String, binaryVersion: String) {
        self.coordinator = coordinator
        self.providerID = providerID
        self.hostname = hostname
        self.binaryVersion = binaryVersion
    }

    /// The hard bounds lie far above the high water, since an engine that was told to wait still hands over what it has
    /// already read. One message may not be longer than coordinators take (`ws.max_frame_bytes`).
    package static var defaultWriterLimits: FrameWriter.Limits {
        var limits = FrameWriter.Limits()
        limits.waitingMessageCount = 65_536
        limits.waitingByteCount = 32 * 1024 * 1024
        limits.messageByteCount = 4 * 1024 * 1024
        return limits
    }

    func description(model: String, throughput: Double) -> ProviderDescription {
        ProviderDescription(
            providerID: providerID, hostname: hostname, modelID: model, modelParamsB: modelParamsB, ramGB: ramGB,
            maxContextTokens: maxContextTokens, maxConcurrency: slots, throughputTPSEstimate: throughput,
            binaryVersion: binaryVersion, endpointURL: endpointURL)
    }
}
