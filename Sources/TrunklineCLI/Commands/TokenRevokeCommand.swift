import Store

enum TokenRevokeCommand: Command {
    static let usage = CommandUsage(
        "token revoke", "Make a provider token invalid",
        discussion: """
            A coordinator that is running refuses it within seconds. A session that joined with it lives on;
            to end that too, use: trunkline token revoke-and-kick
            """,
        positionals: [TokenOptions.prefix],
        options: [.value(TokenOptions.id), .value(OperatorOptions.database), .value(OperatorOptions.config)],
        examples: ["trunkline token revoke 3f9a01 --config coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let token = try TokenOptions.revoke(arguments)
        Terminal.standardOutput.write("Token \(token.id) (\(token.prefix)…) of \(token.providerName) is revoked.\n")
        return .success
    }
}
