import JSON

enum RejectCommand: Command {
    private static let id = Positional("PROVIDER_ID", "Whom", required: true)

    static let usage = CommandUsage(
        "reject", "Ban a provider for good",
        discussion: """
            A session that is live finishes what it works on, within a minute, and is closed with code 4009;
            so is every later one, until the provider is promoted.
            """,
        positionals: [id],
        options: [
            .value(ProviderOrder.reason), .value(OperatorOptions.url), .value(OperatorOptions.key),
            .value(OperatorOptions.config),
        ],
        examples: ["trunkline reject m4-anon --reason \"wrong answers\" --config coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let order = try ProviderOrder(arguments)
        let isConnected = try order.send("/admin/reject/\(order.providerID)") { $0["drain_sent"]?.bool ?? false }
        Terminal.standardOutput.write(
            "\(order.providerID) is banned\(isConnected ? " and being sent away" : "; it is not connected").\n")
        return .success
    }
}
