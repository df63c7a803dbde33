import Environment
import JSON
import Pool
import Primitives

extension Coordinator {
    /// The body of `GET /poolz` (docs/protocol.md, section 10).
    func writePool(to json: inout JSONWriter) { writePool(pool.entries, to: &json) }

    /// The same with some of the entries only.
    func writePool(_ entries: some Sequence<PoolEntry>, to json: inout JSONWriter) {
        json.beginObject()
        json.key("pool")
        json.beginArray()
        for entry in entries { write(entry, to: &json) }
        json.endArray()
        json.key("summary")
        writeSummary(to: &json)
        json.endObject()
    }

    private func write(_ entry: PoolEntry, to json: inout JSONWriter) {
        let session = session(entry.handle)
        json.beginObject()
        json.member("provider_id", entry.profile.providerID)
        if let name = pool.settings.admission.pinned[entry.profile.providerID]?.displayName {
            json.member("display_name", name)
        }
        json.member("assigned_id", entry.sessionID)
        json.member("hostname", entry.profile.hostname)
        json.member("model_id", entry.profile.modelID)
        json.member("model_params_b", entry.profile.modelParamsB)
        json.member("ram_gb", entry.profile.ramGB)
        json.member("max_context_tokens", entry.profile.maxContextTokens)
        json.member("max_concurrency", entry.profile.maxConcurrency)
        json.member("throughput_tps_estimate", entry.profile.throughputTPSEstimate)
        json.member("binary_version", entry.profile.binaryVersion)
        json.member("state", literal: entry.state.name)
        json.member("tier", literal: entry.tier.name)
        json.member("inference_path", literal: entry.inferencePath.name)
        json.member("slots_free", entry.freeSlots)
        json.member("slots_total", entry.reportedSlotsTotal)
        json.member("active_requests", entry.activeRequests)
        json.member("write_buffer_depth", session?.waitingMessageCount ?? 0)
        json.member("routing_eligible", entry.isRoutable)
        json.member("connected_at", entry.connectedWallTime.rfc3339)
        json.member("last_heartbeat_age_s", (environment.now - entry.lastHeartbeatAt).inSeconds)
        json.member("requests_completed", entry.counters.completed)
        json.member("requests_failed", entry.counters.failed)
        json.endObject()
    }

    private func writeSummary(to json: inout JSONWriter) {
        let counts = pool.counts
        let models = pool.models
        json.beginObject()
        json.member("total_providers", counts.total)
        json.member("ready", counts.ready)
        json.member("total_slots", models.reduce(0) { $0 + $1.totalSlots })
        json.member("free_slots", models.reduce(0) { $0 + $1.freeSlots })
        json.key("models")
        json.beginArray()
        for model in models { json.string(model.name) }
        json.endArray()
        json.endObject()
    }
}
