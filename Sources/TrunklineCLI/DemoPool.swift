import Agent
import Configuration
import Environment
import Primitives
import Transport

/// A coordinator and a provider on one shard, joined by a real socket on loopback. Lives on the shard's loop.
final class DemoPool {
    private let service: CoordinatorService
    private let agent: Agent

    var addresses: CoordinatorService.Addresses { service.addresses }
    var hasProvider: Bool { agent.isConnected }

    init(operatorKey: String, port: Int?, on environment: ShardEnvironment) throws {
        service = try Self.coordinator(operatorKey: operatorKey, port: port, on: environment)
        guard let address = CoordinatorAddress(service.addresses.providerURL) else {
            throw CommandFailure(.failure, "\(service.addresses.providerURL) is no address")
        }
        var settings = AgentSettings(
            coordinator: address, providerID: "demo", hostname: HostFacts.hostname, binaryVersion: applicationVersion)
        settings.slots = 8
        settings.maxContextTokens = DemoEngine.contextTokenCount
        settings.ramGB = HostFacts.memoryGB
        agent = Agent(
            settings: settings, engine: DemoEngine(environment: environment), environment: environment,
            dialer: environment
        ) { _ in }
        agent.start()
    }

    /// On the usual ports, or on any free ones when those are taken and nobody asked for them.
    private static func coordinator(
        operatorKey: String, port: Int?, on environment: ShardEnvironment
    ) throws(CommandFailure) -> CoordinatorService {
        var configuration = CoordinatorConfiguration()
        configuration.auth.operatorKey = operatorKey
        if let port {
            configuration.listen.buyerPort = port
            configuration.listen.providerPort = port == 0 ? 0 : port + 1
            return try CoordinatorService(CoordinatorService.Settings(configuration), on: environment)
        }
        do throws(CommandFailure) {
            return try CoordinatorService(CoordinatorService.Settings(configuration), on: environment)
        } catch  where error.code == .unavailable {
            configuration.listen.buyerPort = 0
            configuration.listen.providerPort = 0
            return try CoordinatorService(CoordinatorService.Settings(configuration), on: environment)
        }
    }

    /// Ends both in good order; `finished` is called, on the loop, when that is done.
    func drain(limit: Duration, finished: @escaping () -> Void) {
        agent.startDrain()
        service.drain(limit: limit, finished: finished)
    }
}

@available(*, unavailable) extension DemoPool: Sendable {}
