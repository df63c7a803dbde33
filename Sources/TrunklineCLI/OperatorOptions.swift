import Configuration

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// `--url`, `--key`, `--config` and `--db`: how an operator's command finds the coordinator, its key and its database.
enum OperatorOptions {
    static let url = ValueOption(
        "url", "URL", "Where operators connect; else as configured, or http://127.0.0.1:8444",
        environment: "TRUNKLINE_OPERATOR_URL")
    static let key = ValueOption(
        "key", "KEY", "The operator key; else as configured", environment: "TRUNKLINE_OPERATOR_KEY")
    static let config = ValueOption(
        "config", "FILE", "The coordinator's configuration; else coordinator.yaml, if there is one",
        environment: "TRUNKLINE_CONFIG")
    static let database = ValueOption(
        "db", "FILE", "The coordinator's database; else as configured, or coordinator.db")

    static func client(_ arguments: Arguments) throws(CommandFailure) -> OperatorClient {
        let configuration = arguments[url] == nil || arguments[key] == nil ? try configuration(arguments) : nil
        guard let key = arguments[key] ?? configuration?.auth.operatorKey else {
            throw CommandFailure(
                .noPermission, "no operator key is given",
                advice: "Use --key, TRUNKLINE_OPERATOR_KEY, or --config with the coordinator's configuration.")
        }
        return try OperatorClient(
            baseURL: arguments[url] ?? configuration?.operatorURL ?? "http://127.0.0.1:8444", key: key)
    }

    static func databasePath(_ arguments: Arguments) throws(CommandFailure) -> String {
        if let path = arguments[database] { return path }
        return try configuration(arguments)?.storage.databasePath
            ?? CoordinatorConfiguration().storage.databasePath
    }

    private static func configuration(_ arguments: Arguments) throws(CommandFailure) -> CoordinatorConfiguration? {
        if let path = arguments[config] { return try ConfigurationFile.load(path) }
        guard access("coordinator.yaml", F_OK) == 0 else { return nil }
        return try ConfigurationFile.load("coordinator.yaml")
    }
}

extension CoordinatorConfiguration {
    /// Where a command on the same machine finds the operator endpoints.
    var operatorURL: String {
        let host =
            switch listen.bindAddress {
            case "0.0.0.0": "127.0.0.1"
            case "::": "::1"
            default: listen.bindAddress
            }
        let scheme = listen.providerTLSCertificate == nil ? "http" : "https"
        return "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(listen.providerPort)"
    }
}
