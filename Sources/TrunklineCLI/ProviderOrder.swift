import JSON
import Primitives
import ProviderProtocol

/// An order about one provider, from the command line to the coordinator.
struct ProviderOrder {
    static let reason = ValueOption("reason", "TEXT", "Why, for the log and the record")

    let providerID: String
    private let reason: String?
    private let client: OperatorClient

    /// The provider is the first positional.
    init(_ arguments: Arguments) throws {
        try self.init(try Self.checked(arguments.positionals[0]), reason: arguments[Self.reason], arguments)
    }

    init(_ providerID: String, reason: String?, _ arguments: Arguments) throws(CommandFailure) {
        self.providerID = providerID
        self.reason = reason
        client = try OperatorOptions.client(arguments)
    }

    static func checked(_ id: String) throws(UsageError) -> String {
        guard withByteView(id, { ProviderDescription.isProviderID($0) }) else {
            throw UsageError(
                "a provider's id has 1 to 64 letters, digits, dots, dashes and underscores, unlike “\(id)”")
        }
        return id
    }

    func send<Result>(_ path: String, _ read: (JSONValue) -> Result) throws(CommandFailure) -> Result {
        var json = JSONWriter()
        json.beginObject()
        json.member("provider_id", providerID)
        if let reason { json.member("reason", reason) }
        json.endObject()
        return try client.send(.post, path, body: json.finish().view.array, read)
    }
}
