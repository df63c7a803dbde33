import JSON
package import Primitives

/// `state_update`: the provider's state changed between two heartbeats (docs/protocol.md section 5).
package struct StateUpdate {
    package var state: ReportedState
    package var reason: ByteView?
    /// When, as the provider wrote it; nil too when it is not a text.
    package var since: ByteView?
    /// Of `metrics_snapshot`.
    package var slotsFree: Int?
    package var slotsTotal: Int?

    package init(
        state: ReportedState, reason: ByteView? = nil, since: ByteView? = nil, slotsFree: Int? = nil,
        slotsTotal: Int? = nil
    ) {
        self.state = state
        self.reason = reason
        self.since = since
        self.slotsFree = slotsFree
        self.slotsTotal = slotsTotal
    }

    init(_ message: JSONValue) throws(MessageError) {
        state = try message.choice("state", ReportedState.self)
        reason = try message.optionalText("reason")
        since = message["since"]?.string
        guard let metrics = try message.optionalObject("metrics_snapshot") else { return }
        slotsFree = try metrics.optionalInteger("slots_free", in: Heartbeat.slotRange, "metrics_snapshot.slots_free")
        slotsTotal = try metrics.optionalInteger("slots_total", in: Heartbeat.slotRange, "metrics_snapshot.slots_total")
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("state_update")
            writer.member("state", literal: state.name)
            writer.optionalMember("reason", reason)
            writer.optionalMember("since", since)
            if slotsFree != nil || slotsTotal != nil {
                writer.key("metrics_snapshot")
                writer.beginObject()
                writer.optionalMember("slots_free", slotsFree)
                writer.optionalMember("slots_total", slotsTotal)
                writer.endObject()
            }
            writer.endObject()
        }
    }
}
