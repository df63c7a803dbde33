enum BlacklistCommand: Command {
    private static let id = Positional("PROVIDER_ID", "Whom", required: true)

    static let usage = CommandUsage(
        "blacklist", "Send a provider away once it has finished its work",
        discussion: """
            It gets nothing new from now on and is closed when it says that it is done, after a minute at
            the latest. It may come again; to keep it out, use: trunkline reject
            """,
        positionals: [id],
        options: [
            .value(ProviderOrder.reason), .value(OperatorOptions.url), .value(OperatorOptions.key),
            .value(OperatorOptions.config),
        ],
        examples: ["trunkline blacklist m4-anon --reason maintenance --config coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let order = try ProviderOrder(arguments)
        try order.send("/admin/blacklist") { _ in }
        Terminal.standardOutput.write("\(order.providerID) is draining.\n")
        return .success
    }
}
