package import Primitives

/// What the owner of the sessions does after an event, in this order.
package enum PoolAction: Equatable, Sendable {
    /// For the log and the metrics; the pool has acted on it already.
    case stateChanged(EntryHandle, from: ProviderState, to: ProviderState, cause: StateChangeCause)
    /// Send `preflight {request_id: "recovery-probe-<uuid>", estimated_tokens: 128}` and report its
    /// `preflight_ack` with ``ProviderPool/probeAnswered(_:accepted:now:)``.
    case probe(EntryHandle)
    /// Send `warm_up`.
    case sendWarmUp(EntryHandle)
    /// Send a PING; whatever the provider sends next answers it.
    case sendPing(EntryHandle)
    /// No heartbeat for one and a half intervals; said once per heartbeat that is missing. Log a warning.
    case heartbeatLate(EntryHandle, silence: Duration)
    /// Close the session, then report ``ProviderPool/disconnected(_:now:)``.
    case close(EntryHandle, CloseCause)
    /// The entry has left the pool; its handle is stale from now on.
    case removed(EntryHandle, sessionID: UniqueID, providerID: String)
}

package enum CloseCause: Sendable, Equatable {
    /// Nothing was heard for `heartbeatMissThreshold`, or no PONG came.
    case silent
    /// `drain_status: complete` came.
    case drainComplete
    /// The drain that was ordered took too long.
    case drainOverdue
}

package enum StateChangeCause: UInt8, Sendable {
    case heartbeat, stateUpdate, drainStatus, wakeGap, requestOutcome, probe, deadline, drainOrdered, silence,
        disconnect

    package var name: StaticString {
        switch self {
        case .heartbeat: "heartbeat"
        case .stateUpdate: "state_update"
        case .drainStatus: "drain_status"
        case .wakeGap: "wake_gap"
        case .requestOutcome: "request_outcome"
        case .probe: "probe"
        case .deadline: "deadline"
        case .drainOrdered: "drain_ordered"
        case .silence: "silence"
        case .disconnect: "disconnect"
        }
    }
}

/// How a request that had taken a slot ended.
package enum RequestOutcome: UInt8, Sendable {
    case completed
    /// The 502 class: `error_internal`, a gap in the chunks, a frame that does not open.
    case failed
    /// Nothing within `routing.request_timeout_s`.
    case timedOut
    /// The provider said no for a reason that is no fault: queue full, model not loaded, context exceeded.
    case refused
    /// The buyer went away, or the coordinator stops.
    case cancelled
    /// Nothing was ever sent (refused preflight, backpressure): the quota gets it back.
    case withdrawn
}
