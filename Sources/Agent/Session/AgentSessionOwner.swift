import ProviderProtocol

/// What a session needs of the agent that outlives it.
protocol AgentSessionOwner: AnyObject {
    /// Survives the session, so that a reconnect does not forget what was measured.
    var throughput: ThroughputMeter { get set }
    /// The coordinator has accepted the greeting.
    func sessionIsLive(_ session: AgentSession, _ ack: HelloAck)
    /// A request failed in a way that says something about the engine.
    func engineFailed(_ failure: EngineFailure)
    /// The coordinator asks whether the model is ready; the answer is ``AgentSession/setAvailability(_:)``.
    func warmUpRequested()
    /// The last call. The session must not be used any more.
    func sessionEnded(_ session: AgentSession, _ end: SessionEnd)
}

/// Whether the engine behind a session can serve.
enum Availability: Equatable, Sendable {
    case ready
    case degraded(reason: String)
}
