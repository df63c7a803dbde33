import JSON
import Primitives

enum PromoteCommand: Command {
    private static let id = Positional("PROVIDER_ID", "Whom", required: true)

    static let usage = CommandUsage(
        "promote", "Pin a provisional provider",
        discussion: "It gets full weight and no quota at once, and keeps them in the coordinator's database.",
        positionals: [id],
        options: [.value(OperatorOptions.url), .value(OperatorOptions.key), .value(OperatorOptions.config)],
        examples: ["trunkline promote m4-anon --config coordinator.yaml"])

    static func run(_ arguments: Arguments) throws -> ExitCode {
        let order = try ProviderOrder(arguments)
        let previous = try order.send("/admin/promote/\(order.providerID)") { $0["previous_tier"]?.string?.string }
        Terminal.standardOutput.write("\(order.providerID) is pinned; it was \(previous ?? "provisional").\n")
        return .success
    }
}
