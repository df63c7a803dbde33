import Configuration
import Coordinator
import Environment
import Pool
import Primitives
import Store
import Transport

/// A coordinator with its two listeners on a shard. Lives on the shard's loop.
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

    /// - Parameter store: where things are kept; without one, nothing outlives the process.
    init(
        _ settings: Settings, store: Store? = nil, on environment: ShardEnvironment
    ) throws(CommandFailure) {
        self.environment = environment
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
        let buyerTLS = try Self.certificate(listen.buyerTLSCertificate, listen.buyerTLSKey)
        let providerTLS = try Self.certificate(listen.providerTLSCertificate, listen.providerTLSKey)
        certificates = [buyerTLS, providerTLS].compactMap { $0 }
        let connectionLimit = configuration.limits.maxConnections / 2
        buyerListener = try Self.listen(
            settings.buyer, limit: connectionLimit, tls: buyerTLS, acceptor: coordinator.buyerAcceptor, on: environment)
        do {
            providerListener = try Self.listen(
                settings.provider, limit: connectionLimit, tls: providerTLS, acceptor: coordinator.providerAcceptor,
                on: environment)
        } catch {
            buyerListener.stop()
            throw error
        }
        addresses = Addresses(
            buyer: buyerListener.addresses.first.map { ListenAddress($0) } ?? settings.buyer,
            buyerIsSecure: buyerTLS != nil,
            provider: providerListener.addresses.first.map { ListenAddress($0) } ?? settings.provider,
            providerIsSecure: providerTLS != nil)
        environment.log(
            LogRecord(
                .info, "listening",
                [
                    ("buyer_url", .string(addresses.buyerURL)), ("provider_url", .string(addresses.providerURL)),
                    ("version", .string(applicationVersion)),
                ]))
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

    private static func listen(
        _ address: ListenAddress, limit: Int, tls: TLSServerContext?, acceptor: any ConnectionAcceptor,
        on environment: ShardEnvironment
    ) throws(CommandFailure) -> Listener {
        var settings = ListenSettings(hosts: [address.host], port: address.port)
        settings.connectionLimit = limit
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
        for certificate in certificates {
            do throws(TLSError) {
                try certificate.reload()
                environment.log(LogRecord(.info, "certificate_reloaded"))
            } catch {
                environment.log(
                    LogRecord(.error, "certificate_not_reloaded", [("error", .string(error.description))]))
            }
        }
    }

    /// Ends service in good order. The provider listener stays open meanwhile, so that health checks see why.
    func drain(limit: Duration, finished: @escaping () -> Void) {
        buyerListener.stop()
        coordinator.startDrain(limit: limit) { [providerListener] in
            providerListener.stop()
            finished()
        }
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
