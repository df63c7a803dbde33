import Configuration
import Coordinator
import Environment
import Store
import Transport

enum ServeCommand: Command {
    private static let config = ValueOption(
        "config", "FILE", "The coordinator.yaml (without one: loopback, and a key for this run)",
        environment: "TRUNKLINE_CONFIG")
    private static let buyerListen = ValueOption("buyer-listen", "HOST:PORT", "Where applications connect")
    private static let providerListen = ValueOption(
        "provider-listen", "HOST:PORT", "Where providers and operators connect")
    private static let database = ValueOption(
        "db", "FILE", "The database (default: storage.db_path; without a configuration: none)")
    private static let shards = ValueOption(
        "shards", "N", "Loops, a core each: the first has the providers, all take buyers (default 1)")

    static let usage = CommandUsage(
        "serve", "Run a coordinator",
        discussion: """
            Prints where it listens, then logs to standard error. SIGTERM lets requests in flight finish
            for up to 30 seconds, SIGINT (Ctrl-C) for 5; a second signal ends it at once. SIGHUP reads
            renewed certificates.
            """,
        options: [
            .value(config), .value(buyerListen), .value(providerListen), .value(database), .value(shards),
            .value(LogOptions.level), .value(LogOptions.format),
        ],
        examples: [
            "trunkline config init coordinator.yaml && trunkline serve --config coordinator.yaml",
            "trunkline serve --buyer-listen 0.0.0.0:8443",
        ])

    static func run(_ arguments: Arguments) async throws -> ExitCode {
        let buyer = try ListenAddress.read(buyerListen, arguments)
        let provider = try ListenAddress.read(providerListen, arguments)
        var configuration = try arguments[config].map(ConfigurationFile.load) ?? temporaryConfiguration()
        if let path = arguments[database] { configuration.storage.databasePath = path }
        let keepsRecords = arguments[config] != nil || arguments[database] != nil
        var settings = CoordinatorService.Settings(configuration)
        if let buyer { settings.buyer = buyer }
        if let provider { settings.provider = provider }
        settings.shardCount = try shardCount(arguments)

        raiseOpenFileLimit()
        let log = try LogOptions.writer(
            arguments, level: LogRecord.Level(configuration.logging.level),
            format: LogFormat(configuration.logging.format))
        defer { log.stop() }
        let shard = try Shard.start(Shard.Settings(name: "shard", log: log))
        var fronts: [Shard] = []
        for index in 1..<settings.shardCount {
            fronts.append(try Shard.start(Shard.Settings(name: "front-\(index)", log: log)))
        }
        let (ended, ending) = AsyncStream<Never>.makeStream()
        let addresses: CoordinatorService.Addresses
        let links: [FrontLink]
        let store: Store?
        do {
            (addresses, links, store) = try await shard.run { [settings, fronts] environment in
                let store = keepsRecords ? openStore(settings.configuration, shard: shard, log: log) : nil
                let service: CoordinatorService
                do {
                    service = try CoordinatorService(settings, store: store, fronts: fronts, on: environment)
                } catch {
                    store?.stop()
                    throw error
                }
                environment.keep(service)
                try ShutdownSignals.watch(on: environment) { [unowned service] signal in
                    service.drain(limit: ShutdownSignals.drainLimit(after: signal)) { ending.finish() }
                }
                try environment.onSignal(.hangUp) { [unowned service] in service.reloadCertificates() }
                return (service.addresses, service.frontLinks, store)
            }
            // All at once: whoever connects before a front listens is served by another shard for as long as it stays.
            try await withThrowingTaskGroup(of: Void.self) { [settings] group in
                for (front, link) in zip(fronts, links) {
                    group.addTask {
                        try await front.run { environment in
                            let service = try FrontService(
                                settings, link: link, address: addresses.buyer, hub: shard, on: environment)
                            environment.keep(service)
                            service.begin()
                        }
                    }
                }
                try await group.waitForAll()
            }
        } catch {
            await stop([shard] + fronts)
            throw error
        }
        announce(addresses)
        for await _ in ended {}
        await stop([shard] + fronts)
        // Last: what the end of the sessions left to write.
        store?.stop()
        return .success
    }

    private static func shardCount(_ arguments: Arguments) throws(CommandFailure) -> Int {
        guard let text = arguments[shards] else { return 1 }
        guard let count = Int(text), (1...64).contains(count) else {
            throw CommandFailure(.usage, "--shards must be a whole number from 1 to 64, not \(text).")
        }
        return count
    }

    private static func stop(_ shards: [Shard]) async {
        for shard in shards { await shard.stop() }
    }

    /// On the loop, before it serves anybody, so that no notice comes before there is somebody to hear it.
    private static func openStore(_ configuration: CoordinatorConfiguration, shard: Shard, log: LogWriter) -> Store {
        Store.start(Store.Settings(configuration), log: { log.write($0) }) { notice in
            shard.post { $0.resident(CoordinatorService.self)?.noticed(notice) }
        }
    }

    /// For a first look: the defaults, which listen on loopback only, and a key that is shown once.
    private static func temporaryConfiguration() -> CoordinatorConfiguration {
        var configuration = CoordinatorConfiguration()
        if let key = Terminal.environmentVariable("TRUNKLINE_OPERATOR_KEY"), !key.isEmpty {
            configuration.auth.operatorKey = key
        } else {
            configuration.auth.operatorKey = makeRandomKey()
            Terminal.standardError.write(
                """
                No --config: using the defaults. The operator key of this run is \(configuration.auth.operatorKey)
                To keep one: trunkline config init coordinator.yaml

                """)
        }
        configuration.logging.format = Terminal.standardError.isInteractive ? .text : .json
        return configuration
    }

    private static func announce(_ addresses: CoordinatorService.Addresses) {
        Terminal.standardOutput.write(
            """
            Buyers:    \(addresses.buyerURL)/v1
            Providers: \(addresses.providerURL)/ws/provider
            Operators: \(addresses.operatorURL)/poolz

            """)
    }
}

extension LogRecord.Level {
    fileprivate init(_ level: CoordinatorConfiguration.LogLevel) {
        switch level {
        case .debug: self = .debug
        case .info: self = .info
        case .warn: self = .warn
        case .error: self = .error
        }
    }
}

extension LogFormat {
    fileprivate init(_ format: CoordinatorConfiguration.LogFormat) {
        switch format {
        case .json: self = .json
        case .text: self = .text
        }
    }
}
