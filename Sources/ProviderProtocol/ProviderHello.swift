import JSON
package import Primitives

/// `hello`, the first message of version 1 (docs/protocol.md section 3). Its shape is checked; whether version and tier
/// are supported is the session's affair. The description's properties are reachable as if they were its own.
@dynamicMemberLookup
package struct ProviderHello: Sendable, Equatable {
    package var version: Int
    package var tier: Int
    package var description: ProviderDescription

    package init(version: Int = 1, tier: Int = 1, description: ProviderDescription) {
        self.version = version
        self.tier = tier
        self.description = description
    }

    init(_ message: JSONValue) throws(MessageError) {
        version = try message.integer("version", in: Int.min...Int.max)
        tier = try message.integer("tier", in: Int.min...Int.max)
        description = try ProviderDescription(message)
        // Any value will do, but it has to be there.
        _ = try message.required("attestation")
    }

    package subscript<Value>(dynamicMember path: KeyPath<ProviderDescription, Value>) -> Value {
        description[keyPath: path]
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("hello")
            writer.member("version", version)
            writer.member("tier", tier)
            description.append(to: &writer)
            writer.memberNull("attestation")
            writer.nullableMember("endpoint_url", description.endpointURL)
            writer.endObject()
        }
    }
}
