import JSON
import Primitives

/// `/poolz` for people.
struct PoolReport: Equatable {
    struct Provider: Equatable {
        var id = ""
        var model = ""
        var state = ""
        var tier = ""
        var activeRequests = 0
        var slots = 0
        var tokensPerSecond = 0.0
        var waitingMessages = 0
        var heartbeatAge = 0.0
        var completed = 0
        var failed = 0
        var isRoutable = false
    }

    var providers: [Provider] = []
    var totalSlots = 0
    var freeSlots = 0
    var ready = 0

    init(_ root: JSONValue) {
        if let pool = root["pool"] { providers = pool.elements.map { Provider($0) }.sorted { $0.id < $1.id } }
        let summary = root["summary"]
        totalSlots = summary?["total_slots"]?.int ?? 0
        freeSlots = summary?["free_slots"]?.int ?? 0
        ready = summary?["ready"]?.int ?? 0
    }

    var text: String {
        guard !providers.isEmpty else {
            return "No provider is connected. Lend a machine with: trunkline provide --help\n"
        }
        var table = TextTable([
            .init(title: "PROVIDER"), .init(title: "MODEL"), .init(title: "STATE"), .init(title: "TIER"),
            .init(title: "ACTIVE", isNumber: true), .init(title: "TOK/S", isNumber: true),
            .init(title: "QUEUED", isNumber: true), .init(title: "HEARTBEAT", isNumber: true),
            .init(title: "DONE", isNumber: true), .init(title: "FAILED", isNumber: true), .init(title: "ROUTABLE"),
        ])
        for provider in providers {
            table.add([
                provider.id, provider.model, provider.state, provider.tier,
                "\(provider.activeRequests)/\(provider.slots)", Self.tenths(provider.tokensPerSecond),
                "\(provider.waitingMessages)", "\(Int(clamping: Int64(min(max(provider.heartbeatAge, 0), 1e9))))s ago",
                "\(provider.completed)", "\(provider.failed)", provider.isRoutable ? "yes" : "no",
            ])
        }
        let count = providers.count
        return table.text
            + "\(count) provider\(count == 1 ? "" : "s"), \(ready) ready, \(freeSlots) of \(totalSlots) slots free\n"
    }

    private static func tenths(_ number: Double) -> String {
        guard number.isFinite, abs(number) < 1e12 else { return "?" }
        let tenths = Int((number * 10).rounded())
        return "\(tenths / 10).\(abs(tenths % 10))"
    }
}

extension PoolReport.Provider {
    init(_ entry: JSONValue) {
        func text(_ name: StaticString) -> String { entry[name]?.string?.string ?? "" }
        func number(_ name: StaticString) -> Int { entry[name]?.int ?? 0 }
        self.init(
            id: text("provider_id"), model: text("model_id"), state: text("state"), tier: text("tier"),
            activeRequests: number("active_requests"), slots: number("max_concurrency"),
            tokensPerSecond: entry["throughput_tps_estimate"]?.double ?? 0,
            waitingMessages: number("write_buffer_depth"), heartbeatAge: entry["last_heartbeat_age_s"]?.double ?? 0,
            completed: number("requests_completed"), failed: number("requests_failed"),
            isRoutable: entry["routing_eligible"]?.bool ?? false)
    }
}
