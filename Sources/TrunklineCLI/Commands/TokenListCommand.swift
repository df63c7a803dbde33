import Store

enum TokenListCommand: Command {
    static let usage = CommandUsage(
        "token list", "Show the provider tokens",
        discussion: "Their first characters, that is; what follows is known to their owners only.",
        options: [.value(OperatorOptions.database), .value(OperatorOptions.config)],
        examples: ["trunkline token list --config coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let registry = try TokenOptions.registry(arguments, mustExist: true)
        let tokens: [StoredToken]
        do throws(DatabaseError) {
            tokens = try registry.list()
        } catch {
            throw CommandFailure(error, path: try OperatorOptions.databasePath(arguments))
        }
        var table = TextTable([
            .init(title: "ID", isNumber: true), .init(title: "PREFIX"), .init(title: "PROVIDER"),
            .init(title: "CREATED"), .init(title: "LAST USED"), .init(title: "STATUS"),
        ])
        for token in tokens {
            table.add([
                "\(token.id)", token.prefix, token.providerName, token.createdAt, token.lastUsedAt ?? "never",
                token.revokedAt.map { "revoked \($0)" } ?? "valid",
            ])
        }
        Terminal.standardOutput.write(table.text)
        return .success
    }
}
