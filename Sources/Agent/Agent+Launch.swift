import CLibuv
package import Transport

/// Which engine an agent has.
package enum EngineChoice: Sendable {
    /// The built-in toy model; `pace` is the time that one word takes.
    case demo(pace: Duration)
    case http(HTTPEngineSettings)
}

/// Why an agent could not be made.
package enum AgentError: Error, Equatable, Sendable {
    /// The engine's address is not an HTTP URL.
    case invalidEngineURL(String)
    /// No HTTP client could be made (no memory).
    case noClient
}

extension Agent {
    /// Makes an agent on a shard's loop and starts it. It lives as long as the shard runs; find it again with
    /// `environment.resident(Agent.self)`.
    ///
    /// `onStop` is called once, on the loop, when the agent has stopped by itself or on request; not when the shard is
    /// stopped under it.
    @discardableResult
    package static func launch(
        _ settings: AgentSettings, engine choice: EngineChoice, on environment: ShardEnvironment,
        onStop: @escaping (Stop) -> Void
    ) throws(AgentError) -> Agent {
        let engine: any Engine
        switch choice {
        case .demo(let pace):
            engine = DemoEngine(environment: environment, pace: pace)
        case .http(let settings):
            guard settings.endpoint != nil else { throw .invalidEngineURL(settings.baseURL) }
            guard let client = HTTPEngine(settings: settings, environment: environment, loop: environment.loop) else {
                throw .noClient
            }
            engine = client
        }
        let agent = Agent(
            settings: settings, engine: engine, environment: environment, dialer: environment, onStop: onStop)
        environment.keep(agent)
        environment.atShutdown { agent.shutDown() }
        agent.start()
        return agent
    }
}
