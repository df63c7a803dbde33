import Store

enum TokenRevokeAndKickCommand: Command {
    static let usage = CommandUsage(
        "token revoke-and-kick", "Make a provider token invalid and send its provider away",
        discussion: """
            The session gets nothing new, and is closed when it says that it is done, after a minute at the
            latest.
            """,
        positionals: [TokenOptions.prefix],
        options: [
            .value(TokenOptions.id), .value(OperatorOptions.database), .value(ProviderOrder.reason),
            .value(OperatorOptions.url), .value(OperatorOptions.key), .value(OperatorOptions.config),
        ],
        examples: ["trunkline token revoke-and-kick 3f9a01 --config coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let token = try TokenOptions.revoke(arguments)
        Terminal.standardOutput.write("Token \(token.id) (\(token.prefix)…) of \(token.providerName) is revoked.\n")
        let order = try ProviderOrder(
            token.providerName, reason: arguments[ProviderOrder.reason] ?? "provider token revoked", arguments)
        try order.send("/admin/blacklist") { _ in }
        Terminal.standardOutput.write("\(token.providerName) is draining.\n")
        return .success
    }
}
