import Platform
import Primitives
import Store

/// What the token commands share.
enum TokenOptions {
    static let prefix = Positional("PREFIX", "The token's first six characters, or all of it")
    static let id = ValueOption("id", "NUMBER", "The token's number, as token list shows it; instead of PREFIX")

    /// - Parameter mustExist: for commands that have nothing to do without a database.
    static func registry(_ arguments: Arguments, mustExist: Bool) throws(CommandFailure) -> TokenRegistry {
        let path = try OperatorOptions.databasePath(arguments)
        do throws(DatabaseError) {
            return try TokenRegistry(path: path, mustExist: mustExist)
        } catch {
            throw CommandFailure(error, path: path)
        }
    }

    static func selection(_ arguments: Arguments) throws(UsageError) -> TokenRegistry.Selection {
        switch (arguments.positionals.first, try arguments.integer(id, in: 1...Int.max)) {
        case (let prefix?, nil): return .prefix(prefix)
        case (nil, let number?): return .id(Int64(number))
        case (nil, nil): throw UsageError("PREFIX or --id is required")
        case (_?, _?): throw UsageError("PREFIX and --id exclude each other")
        }
    }

    /// Revokes, and gives the token that is revoked now.
    static func revoke(_ arguments: Arguments) throws -> StoredToken {
        let selection = try selection(arguments)
        let registry = try registry(arguments, mustExist: true)
        let outcome: TokenRegistry.Revocation
        do throws(DatabaseError) {
            outcome = try registry.revoke(selection, now: currentWallTime())
        } catch {
            throw CommandFailure(error, path: try OperatorOptions.databasePath(arguments))
        }
        switch outcome {
        case .revoked(let token), .wasRevokedBefore(let token): return token
        case .notFound: throw CommandFailure(.failure, "there is no such token", advice: "See: trunkline token list")
        case .ambiguous(let tokens):
            let rows = tokens.map { "  --id \($0.id)  for \($0.providerName)" }.joined(separator: "\n")
            throw CommandFailure(.failure, "several tokens begin like this; name one of them:\n\(rows)")
        }
    }
}

extension CommandFailure {
    init(_ error: DatabaseError, path: String) {
        let text = error.message.hasPrefix(path) ? error.message : "\(path): \(error.message)"
        switch error.kind {
        case .unavailable: self.init(.noInput, text, advice: "--db names the file, or --config the configuration.")
        case .locked: self.init(.unavailable, text, advice: "Another process is writing to it; try again.")
        case .readOnly: self.init(.noPermission, text)
        case .full, .inputOutput: self.init(.inputOutput, text)
        case .corrupt, .newerSchema, .row, .other: self.init(.failure, text)
        }
    }
}
