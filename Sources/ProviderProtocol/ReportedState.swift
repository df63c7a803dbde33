/// The state that a provider claims for itself (docs/protocol.md section 5).
package enum ReportedState: WireName {
    case ready, busy, degraded, draining, unavailable

    package var name: StaticString {
        switch self {
        case .ready: "ready"
        case .busy: "busy"
        case .degraded: "degraded"
        case .draining: "draining"
        case .unavailable: "unavailable"
        }
    }
}
