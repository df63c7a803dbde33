import Environment
import HTTPCodec
import JSON
import Pool
import Primitives

/// The questions that load balancers and supervisors ask, on both listeners and without a key.
package enum HealthCheck: Sendable {
    /// `/healthz`, `/health`: numbers; 503 while draining.
    case summary
    /// `/livez`: the process answers.
    case alive
    /// `/readyz`: new requests are taken; 503 while draining.
    case ready

    init?(path: String) {
        switch path {
        case "/healthz", "/health": self = .summary
        case "/livez": self = .alive
        case "/readyz": self = .ready
        default: return nil
        }
    }
}

extension Coordinator {
    func respond(to check: HealthCheck, _ exchange: any Exchange) {
        var body = ByteQueue()
        let isHealthy: Bool
        switch check {
        case .summary:
            isHealthy = !isDraining
            body.appendJSON { writeHealth(to: &$0) }
        case .alive:
            isHealthy = true
            body.append("{\"status\":\"ok\"}")
        case .ready:
            isHealthy = !isDraining
            body.append(isHealthy ? "{\"status\":\"ok\"}" : "{\"status\":\"draining\"}")
        }
        var fields = ResponseFields()
        fields.append("Content-Type", "application/json")
        exchange.respond(status: isHealthy ? 200 : 503, fields: fields, body: body.view)
    }

    private func writeHealth(to json: inout JSONWriter) {
        let counts = pool.counts
        json.beginObject()
        json.member("status", literal: isDraining ? "draining" : "ok")
        json.member("uptime_s", Int((environment.now - startedAt).inSeconds))
        json.member("pool_size", counts.total)
        json.member("pool_ready", counts.ready)
        json.member("pool_degraded", counts.degraded)
        json.member("pool_draining", counts.draining)
        json.member("pool_unavailable", counts.unavailable)
        json.member("requests_total", Int(metrics.requestsTotal))
        json.member("requests_active", requests.count)
        json.member("version", settings.softwareVersion)
        if let health = journal?.health {
            json.member("storage", literal: health.statusName)
            if case .degraded(let reason) = health.status { json.member("storage_reason", reason) }
        }
        json.endObject()
    }
}
