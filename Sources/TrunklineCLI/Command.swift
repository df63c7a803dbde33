/// One thing that the program does: `trunkline NAME …`.
protocol Command: SendableMetatype {
    static var usage: CommandUsage { get }

    /// Does it, and returns when it is done. Throws ``UsageError`` and ``CommandFailure``.
    static func run(_ arguments: Arguments) async throws -> ExitCode
}
