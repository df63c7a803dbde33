import Store
import Platform

enum TokenIssueCommand: Command {
    private static let id = Positional("PROVIDER_ID", "Who may join with it", required: true)

    static let usage = CommandUsage(
        "token issue", "Make a token with which one provider may join",
        discussion: """
            The token goes to standard output, once: only its digest is kept. A coordinator that is running
            takes it within seconds. With auth.require_provider_token, nobody joins without one.
            """,
        positionals: [id], options: [.value(OperatorOptions.database), .value(OperatorOptions.config)],
        examples: [
            "trunkline token issue m4-anon --config coordinator.yaml",
            "trunkline token issue m4-anon --db coordinator.db > m4-anon.token",
        ])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let providerID = try ProviderOrder.checked(arguments.positionals[0])
        let registry = try TokenOptions.registry(arguments, mustExist: false)
        do throws(DatabaseError) {
            let (token, record) = try registry.issue(providerName: providerID, now: currentWallTime())
            Terminal.standardOutput.write("\(token)\n")
            Terminal.standardError.write(
                "Token \(record.id) (\(record.prefix)…) is for \(providerID). It is not shown again.\n")
        } catch {
            throw CommandFailure(error, path: try OperatorOptions.databasePath(arguments))
        }
        return .success
    }
}
