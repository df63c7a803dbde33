import Coordinator
import Environment
import Transport

/// Buyers' connections on a shard of their own; providers are reached through the hub's shard. Lives on its shard's loop.
final class FrontService {
    private let coordinator: Coordinator
    private let front: Front
    private let listener: Listener
    private let certificate: TLSServerContext?
    private let environment: ShardEnvironment

    /// - Parameter address: the one that the hub's shard listens at already; the system spreads connections over both.
    init(
        _ settings: CoordinatorService.Settings, link: FrontLink, address: ListenAddress, hub: Shard,
        on environment: ShardEnvironment
    ) throws(CommandFailure) {
        self.environment = environment
        coordinator = Coordinator(
            settings: settings.configuration.coordinatorSettings, environment: environment, link: link)
        front = Front(coordinator: coordinator, link: link) { message in
            hub.post { $0.resident(CoordinatorService.self)?.received(message) }
        }
        certificate = try CoordinatorService.buyerCertificate(settings.configuration)
        listener = try CoordinatorService.listen(
            address, limit: settings.buyerConnectionLimit, sharesPort: true, tls: certificate,
            acceptor: coordinator.buyerAcceptor, on: environment)
    }

    /// Once the shard keeps this service: what the hub sends finds it from now on.
    func begin() { front.begin() }

    func received(_ batch: HubBatch) { front.received(batch) }

    func reloadCertificates() { certificate?.reloadLogging(to: environment) }

    func drain(limit: Duration, finished: @escaping () -> Void) {
        listener.stop()
        coordinator.startDrain(limit: limit, finished: finished)
    }
}

@available(*, unavailable) extension FrontService: Sendable {}

extension TLSServerContext {
    /// Reads the files again; what cannot be read leaves the old ones in use.
    func reloadLogging(to environment: ShardEnvironment) {
        do throws(TLSError) {
            try reload()
            environment.log(LogRecord(.info, "certificate_reloaded"))
        } catch {
            environment.log(LogRecord(.error, "certificate_not_reloaded", [("error", .string(error.description))]))
        }
    }
}
