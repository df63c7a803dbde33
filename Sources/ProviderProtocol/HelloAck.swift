import JSON
package import Primitives

/// `hello_ack`: the provider is registered (docs/protocol.md section 3).
package struct HelloAck: Sendable, Equatable {
    package var coordinatorVersion: Int
    /// Names the session: a UUID, but a provider need not rely on that.
    package var assignedID: String
    package var heartbeatIntervalSeconds: Double
    /// `pinned` or `provisional`.
    package var tier: String
    package var recommendedBinaryVersion: String?
    package var requiredBinaryVersion: String?

    package init(
        coordinatorVersion: Int = 1, assignedID: String, heartbeatIntervalSeconds: Double, tier: String,
        recommendedBinaryVersion: String? = nil, requiredBinaryVersion: String? = nil
    ) {
        self.coordinatorVersion = coordinatorVersion
        self.assignedID = assignedID
        self.heartbeatIntervalSeconds = heartbeatIntervalSeconds
        self.tier = tier
        self.recommendedBinaryVersion = recommendedBinaryVersion
        self.requiredBinaryVersion = requiredBinaryVersion
    }

    init(_ message: JSONValue) throws(MessageError) {
        coordinatorVersion = try message.integer("coordinator_version")
        assignedID = try message.text("assigned_id", in: 1...128).string
        heartbeatIntervalSeconds = try message.number("heartbeat_interval_s")
        tier = try message.text("tier").string
        recommendedBinaryVersion = try message.optionalText("recommended_binary_version")?.string
        requiredBinaryVersion = try message.optionalText("required_binary_version")?.string
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("hello_ack")
            writer.member("coordinator_version", coordinatorVersion)
            writer.member("assigned_id", assignedID)
            writer.seconds("heartbeat_interval_s", heartbeatIntervalSeconds)
            writer.member("tier", tier)
            writer.optionalMember("recommended_binary_version", recommendedBinaryVersion)
            writer.optionalMember("required_binary_version", requiredBinaryVersion)
            writer.endObject()
        }
    }
}

extension JSONWriter {
    /// Whole seconds as an integer: providers may have declared the field as one.
    mutating func seconds(_ name: StaticString, _ seconds: Double) {
        if let whole = Int(exactly: seconds) { member(name, whole) } else { member(name, seconds) }
    }
}
