import Configuration
import Coordinator
import Environment
import Pool
import Primitives
import Store
import Transport

/// A coordinator with its two listeners on a shard, the hub of further ones if there are. Lives on the shard's loop.
final class CoordinatorService {
    /// Where it can be reached.
    struct Addresses: Sendable {
        var buyer: ListenAddress
        var buyerIsSecure: Bool
        var provider: ListenAddress
        var providerIsSecure: Bool

        var buyerURL: String { "\(buyerIsSecure ? "https" : "http")://\(buyer.authority)" }
        var providerURL: String { "\(providerIsSecure ? "wss" : "ws")://\(provider.authority)" }
        var operatorURL: String { "\(providerIsSecure ? "https" : "http")://\(provider.authority)" }
    }

    /// What it is started with.
    struct Settings: Sendable {
        var configuration: CoordinatorConfiguration
        var buyer: ListenAddress
        var provider: ListenAddress
        /// Loops that take buyers' connections, this one included.
        var shardCount = 1

        /// Per shard.
        var buyerConnectionLimit: Int { max(1, configuration.limits.maxConnections / 2 / shardCount) }

        init(_ configuration: CoordinatorConfiguration) {
            self.configuration = configuration
            let host = configuration.listen.bindAddress
            // The reader has checked both against 0...65535.
            buyer = ListenAddress(host: host, port: UInt16(clamping: configuration.listen.buyerPort))
            provider = ListenAddress(host: host, port: UInt16(clamping: configuration.listen.providerPort))
        }
    }

    let addresses: Addresses
    private let coordinator: Coordinator
    private let journal: StoreJournal?
    private let environment: ShardEnvironment
    private let buyerListener: Listener
    private let providerListener: Listener
    private let certificates: [TLSServerContext]
    private let forwarder: EndpointForwarder
    private let fronts: [Shard]
    private var hub: Hub?
    /// Shards whose drain has not finished; nil while serving.
    private var draining: (shardCount: Int, finished: () -> Void)?

    /// - Parameter store: where things are kept; without one, nothing outlives the process.
    /// - Parameter fronts: shards that a ``FrontService`` each is going to live on.
    init(
        _ settings: Settings, store: Store? = nil, fronts: [Shard] = [], on environment: ShardEnvironment
    ) throws(CommandFailure) {
        self.environment = environment
        self.fronts = fronts
        let configuration = settings.configuration
        journal = store.map { StoreJournal($0) }
        let coordinator = Coordinator(
            settings: configuration.coordinatorSettings, environment: environment,
            records: store?.records?.admission ?? AdmissionRecords(), tokens: store?.records?.tokens ?? [],
            journal: journal)
        self.coordinator = coordinator
        forwarder = EndpointForwarder(on: environment)
        coordinator.forwarder = forwarder

        let listen = configuration.listen
        let buyerTLS = try Self.buyerCertificate(configuration)
        let providerTLS = try Self.certificate(listen.providerTLSCertificate, listen.providerTLSKey)
        certificates = [buyerTLS, providerTLS].compactMap { $0 }
        buyerListener = try Self.listen(
            settings.buyer, limit: settings.buyerConnectionLimit, sharesPort: !fronts.isEmpty, tls: buyerTLS,
            acceptor: coordinator.buyerAcceptor, on: environment)
        do {
            providerListener = try Self.listen(
                settings.provider, limit: configuration.limits.maxConnections / 2, tls: providerTLS,
                acceptor: coordinator.providerAcceptor, on: environment)
        } catch {
            buyerListener.stop()
            throw error
        }
        addresses = Addresses(
            buyer: buyerListener.addresses.first.map { ListenAddress($0) } ?? settings.buyer,
            buyerIsSecure: buyerTLS != nil,
            provider: providerListener.addresses.first.map { ListenAddress($0) } ?? settings.provider,
            providerIsSecure: providerTLS != nil)
        if !fronts.isEmpty {
            hub = Hub(coordinator: coordinator, frontCount: fronts.count) { front, batch in
                fronts[front].post { $0.resident(FrontService.self)?.received(batch) }
            }
        }
        environment.log(
            LogRecord(
                .info, "listening",
                [
                    ("buyer_url", .string(addresses.buyerURL)), ("provider_url", .string(addresses.providerURL)),
                    ("version", .string(applicationVersion)),
                ]))
    }

    static func buyerCertificate(_ configuration: CoordinatorConfiguration) throws(CommandFailure) -> TLSServerContext?
    {
        try certificate(configuration.listen.buyerTLSCertificate, configuration.listen.buyerTLSKey)
    }

    private static func certificate(
        _ certificate: String?, _ key: String?
    ) throws(CommandFailure) -> TLSServerContext? {
        guard let certificate, let key else { return nil }
        do throws(TLSError) {
            return try TLSServerContext(certificateFile: certificate, keyFile: key)
        } catch {
            throw CommandFailure(.configuration, error.description)
        }
    }

    static func listen(
        _ address: ListenAddress, limit: Int, sharesPort: Bool = false, tls: TLSServerContext?,
        acceptor: any ConnectionAcceptor,
        on environment: ShardEnvironment
    ) throws(CommandFailure) -> Listener {
        var settings = ListenSettings(hosts: [address.host], port: address.port)
        settings.connectionLimit = limit
        settings.sharesPort = sharesPort
        do throws(ListenError) {
            return try environment.listen(settings, tls: tls, acceptor: acceptor)
        } catch {
            throw CommandFailure(error)
        }
    }

    /// The store has something to say.
    func noticed(_ notice: StoreNotice) {
        switch notice {
        case .recordsLoaded(let records):
            coordinator.tokensChanged(records.tokens)
            coordinator.recordsLoaded(records.admission)
        case .tokensChanged(let tokens):
            coordinator.tokensChanged(tokens)
            environment.log(LogRecord(.info, "provider_tokens_changed", [("count", .int(tokens.count))]))
        case .providersForgotten(let providerIDs): coordinator.providersForgotten(providerIDs)
        case .provisionalListed(let question, let records): journal?.listed(question, records)
        }
    }

    /// Reads the certificates again (SIGHUP). What cannot be read leaves the old ones in use.
    func reloadCertificates() {
        for certificate in certificates { certificate.reloadLogging(to: environment) }
        for front in fronts { front.post { $0.resident(FrontService.self)?.reloadCertificates() } }
    }

    /// What each front is to be made with.
    var frontLinks: [FrontLink] { hub?.links ?? [] }

    /// A front has something to say.
    func received(_ message: FrontMessage) { hub?.received(message) }

    /// Ends service in good order. The provider listener stays open meanwhile, so that health checks see why.
    func drain(limit: Duration, finished: @escaping () -> Void) {
        guard draining == nil else { return }
        draining = (1 + fronts.count, finished)
        buyerListener.stop()
        coordinator.startDrain(limit: limit) { [unowned self] in shardDrained() }
        for front in fronts {
            front.post { [hub = environment.shard] environment in
                let finished = { _ = hub?.post { $0.resident(CoordinatorService.self)?.shardDrained() } }
                // A signal may come before the front serves.
                guard let service = environment.resident(FrontService.self) else { return finished() }
                service.drain(limit: limit, finished: finished)
            }
        }
    }

    private func shardDrained() {
        guard let (shardCount, finished) = draining else { return }
        draining = (shardCount - 1, finished)
        guard shardCount == 1 else { return }
        providerListener.stop()
        finished()
    }
}

@available(*, unavailable) extension CoordinatorService: Sendable {}

extension CommandFailure {
    fileprivate init(_ error: ListenError) {
        switch error.kind {
        case .inUse:
            self.init(
                .unavailable, error.description, advice: "Is another coordinator running? Or choose another port.")
        case .notPermitted:
            self.init(.noPermission, error.description, advice: "Ports below 1024 need privileges; use a higher one.")
        case .notAnAddress, .notAvailable:
            self.init(.configuration, error.description, advice: "The address must be one of this machine, or 0.0.0.0.")
        case .stopped, .other:
            self.init(.inputOutput, error.description)
        }
    }
}
