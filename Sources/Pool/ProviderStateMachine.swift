import Primitives

/// The health of one provider as the coordinator sees it (docs/protocol.md 5, 6): a value and a clock, no I/O.
///
/// What the provider says and what the coordinator has seen are kept apart. A degradation that the coordinator observed
/// (failures, a wake-up) is not lifted by the `status` of a heartbeat, which says the same as before the failure; an
/// explicit `state_update: ready` lifts it, as does a probe.
///
/// ```
///            502, 3 time-outs                  probe due                  accepted
///  ready ─────────────────────▶ backing off ─────────────▶ probing ─────────────────▶ ready
///    │ wake gap                     ▲  refused, no answer     │  degradedMaxRetries failures
///    ▼                              └─────────────────────────┴──────────────────────▶ unavailable
///  waking ──state_update: ready, or wakeRecovery──▶ ready
/// ```
///
/// What each event does in each state; `–` is nothing. RB: ready or busy. RE: degraded, reported. BO: backing off or
/// probing. WA: waking. DR: draining. UR: unavailable, reported. UX: retries exhausted. GO: silent or disconnected.
///
/// | event            | RB        | RE      | BO         | WA        | DR        | UR      | UX       | GO         |
/// | ---------------- | --------- | ------- | ---------- | --------- | --------- | ------- | -------- | ---------- |
/// | heartbeat status | follows   | follows | DR, UR     | DR, UR    | –         | follows | DR       | –          |
/// | `state_update`   | follows   | follows | RB, DR, UR | follows   | RB¹       | follows | RB, DR   | –          |
/// | `drain_status`   | DR        | DR      | DR         | DR        | –         | DR      | DR       | –          |
/// | wake gap         | WA²       | warm up | warm up    | WA²       | –         | warm up | warm up  | –          |
/// | 502              | BO        | BO      | –          | BO        | –         | –       | –        | –          |
/// | time-out         | third: BO | –       | –          | –         | –         | –       | –        | –          |
/// | probe answered   | –         | –       | RB, BO, UX | –         | –         | –       | –        | –          |
/// | drain ordered    | DR        | DR      | DR         | DR        | DR        | DR      | DR       | –          |
/// | silence          | GO        | GO      | GO         | GO        | –         | GO      | GO       | –          |
/// | disconnect       | GO        | GO      | GO         | GO        | removed   | GO      | GO       | silent: GO |
/// | deadline         | –         | –       | probe³     | RB        | close     | –       | –        | removed    |
///
/// ¹ only to ready, and only if the provider itself began to drain. ² and warm up. ³ when backing off; when probing, as
/// a probe that was refused.
struct ProviderStateMachine: Equatable, Sendable {
    enum State: Equatable, Sendable {
        case ready(consecutiveTimeouts: Int)
        case busy(consecutiveTimeouts: Int)
        case degraded(Degradation)
        case draining(Drain)
        case unavailable(Unavailability)
    }

    enum Degradation: Equatable, Sendable {
        /// The provider says so itself, and will say when it is over.
        case reported
        case backingOff(until: MonotonicInstant, failedProbes: Int)
        case probing(until: MonotonicInstant, failedProbes: Int)
        case waking(until: MonotonicInstant)
    }

    enum Drain: Equatable, Sendable {
        case reported
        /// By the operator or a shutdown; the provider cannot take it back. The session is closed at `closeAt`.
        case ordered(closeAt: MonotonicInstant?)
    }

    enum Unavailability: Equatable, Sendable {
        case reported
        case retriesExhausted
        /// Its session is being closed because nothing was heard.
        case silent
        case disconnected(removeAt: MonotonicInstant)
    }

    enum Action: Equatable, Sendable {
        case none
        case probe
        case sendWarmUp
        case closeDrained
        case closeDrainOverdue
        case remove
    }

    /// Who speaks for the provider: a heartbeat repeats, an update announces.
    enum Report: Sendable {
        case heartbeat
        case update
    }

    private(set) var state: State = .ready(consecutiveTimeouts: 0)

    init() {}

    /// For tests: starts anywhere.
    init(_ state: State) { self.state = state }

    var providerState: ProviderState {
        switch state {
        case .ready: .ready
        case .busy: .busy
        case .degraded: .degraded
        case .draining: .draining
        case .unavailable: .unavailable
        }
    }

    var isConnected: Bool {
        if case .unavailable(.disconnected) = state { false } else { true }
    }

    /// When ``deadlineReached(now:settings:)`` has something to do; early and repeated calls are harmless.
    var deadline: MonotonicInstant? {
        switch state {
        case .degraded(.backingOff(let until, _)), .degraded(.probing(let until, _)), .degraded(.waking(let until)):
            until
        case .draining(.ordered(let closeAt)): closeAt
        case .unavailable(.disconnected(let removeAt)): removeAt
        case .ready, .busy, .degraded(.reported), .draining(.reported), .unavailable(.reported),
            .unavailable(.retriesExhausted), .unavailable(.silent):
            nil
        }
    }

    /// A heartbeat's `status` or a `state_update`'s `state`.
    mutating func reported(_ new: ProviderState, by report: Report) {
        let mayFollow: Bool
        switch (state, report) {
        case (.ready, _), (.busy, _), (.degraded(.reported), _), (.unavailable(.reported), _): mayFollow = true
        case (.degraded(.waking), .update): mayFollow = true
        case (.degraded, .heartbeat): mayFollow = new == .draining || new == .unavailable
        case (.degraded, .update): mayFollow = new == .ready || new == .draining || new == .unavailable
        case (.draining(.reported), .update): mayFollow = new == .ready
        case (.unavailable(.retriesExhausted), .heartbeat): mayFollow = new == .draining
        case (.unavailable(.retriesExhausted), .update): mayFollow = new == .ready || new == .draining
        case (.draining, _), (.unavailable, _): mayFollow = false
        }
        guard mayFollow, new != providerState || report == .update else { return }
        switch new {
        case .ready: state = .ready(consecutiveTimeouts: consecutiveTimeouts)
        case .busy: state = .busy(consecutiveTimeouts: consecutiveTimeouts)
        case .degraded: state = .degraded(.reported)
        case .draining: state = .draining(.reported)
        case .unavailable: state = .unavailable(.reported)
        }
    }

    /// `drain_status`; `isComplete` for the phase `complete`, after which the provider closes.
    mutating func drainReported(isComplete: Bool) -> Action {
        switch state {
        case .unavailable(.silent), .unavailable(.disconnected): return .none
        case .draining: break
        case .ready, .busy, .degraded, .unavailable(.reported), .unavailable(.retriesExhausted):
            state = .draining(.reported)
        }
        return isComplete ? .closeDrained : .none
    }

    /// Two heartbeats lay so far apart that the machine must have slept.
    mutating func wakeGapNoticed(now: MonotonicInstant, settings: PoolSettings) -> Action {
        switch state {
        case .ready, .busy, .degraded(.waking):
            state = .degraded(.waking(until: now + settings.wakeRecovery))
            return .sendWarmUp
        case .degraded(.reported), .degraded(.backingOff), .degraded(.probing), .unavailable(.reported),
            .unavailable(.retriesExhausted):
            return .sendWarmUp
        case .draining, .unavailable(.silent), .unavailable(.disconnected):
            return .none
        }
    }

    /// The provider answered a request, whatever the answer was: the row of time-outs is broken.
    @inline(__always) package mutating func requestAnswered() {
        switch state {
        case .ready(let timeouts) where timeouts != 0: state = .ready(consecutiveTimeouts: 0)
        case .busy(let timeouts) where timeouts != 0: state = .busy(consecutiveTimeouts: 0)
        default: break
        }
    }

    /// A request ended in the 502 class.
    mutating func requestFailed(now: MonotonicInstant, settings: PoolSettings) {
        switch state {
        case .ready, .busy, .degraded(.reported), .degraded(.waking): backOff(now: now, settings: settings)
        case .degraded(.backingOff), .degraded(.probing), .draining, .unavailable: break
        }
    }

    mutating func requestTimedOut(now: MonotonicInstant, settings: PoolSettings) {
        let timeouts = consecutiveTimeouts + 1
        switch state {
        case .ready where timeouts < settings.consecutiveTimeoutLimit: state = .ready(consecutiveTimeouts: timeouts)
        case .busy where timeouts < settings.consecutiveTimeoutLimit: state = .busy(consecutiveTimeouts: timeouts)
        case .ready, .busy: backOff(now: now, settings: settings)
        case .degraded, .draining, .unavailable: break
        }
    }

    /// The `preflight_ack` of a recovery probe. Ignored when none is awaited.
    mutating func probeAnswered(accepted: Bool, now: MonotonicInstant, settings: PoolSettings) {
        guard case .degraded(.probing(_, let failedProbes)) = state else { return }
        if accepted {
            state = .ready(consecutiveTimeouts: 0)
        } else {
            probeFailed(after: failedProbes, now: now, settings: settings)
        }
    }

    /// The coordinator sends `drain`. A later order with an earlier end shortens the first one.
    mutating func drainOrdered(closeAt: MonotonicInstant?) {
        switch state {
        case .unavailable(.silent), .unavailable(.disconnected): break
        case .draining(.ordered(let planned)):
            let ends = [planned, closeAt].compactMap { $0 }
            state = .draining(.ordered(closeAt: ends.min()))
        case .ready, .busy, .degraded, .draining(.reported), .unavailable(.reported), .unavailable(.retriesExhausted):
            state = .draining(.ordered(closeAt: closeAt))
        }
    }

    /// Nothing was heard for too long; the caller closes the session.
    mutating func silenceNoticed() {
        switch state {
        case .draining, .unavailable(.disconnected): break
        case .ready, .busy, .degraded, .unavailable: state = .unavailable(.silent)
        }
    }

    /// The session is gone. `remove`: the entry with it; else it stays for the grace period.
    mutating func disconnected(now: MonotonicInstant, settings: PoolSettings) -> Action {
        switch state {
        case .draining:
            return .remove
        case .unavailable(.disconnected):
            return .none
        case .ready, .busy, .degraded, .unavailable:
            state = .unavailable(.disconnected(removeAt: now + settings.disconnectGracePeriod))
            return .none
        }
    }

    mutating func deadlineReached(now: MonotonicInstant, settings: PoolSettings) -> Action {
        guard let deadline, deadline <= now else { return .none }
        switch state {
        case .degraded(.backingOff(_, let failedProbes)):
            guard settings.probesAfterFailure else {
                state = .ready(consecutiveTimeouts: 0)
                return .none
            }
            state = .degraded(.probing(until: now + settings.probeTimeout, failedProbes: failedProbes))
            return .probe
        case .degraded(.probing(_, let failedProbes)):
            probeFailed(after: failedProbes, now: now, settings: settings)
            return .none
        case .degraded(.waking):
            state = .ready(consecutiveTimeouts: 0)
            return .none
        case .draining(.ordered):
            state = .draining(.ordered(closeAt: nil))
            return .closeDrainOverdue
        case .unavailable(.disconnected):
            return .remove
        case .ready, .busy, .degraded(.reported), .draining(.reported), .unavailable(.reported),
            .unavailable(.retriesExhausted), .unavailable(.silent):
            return .none
        }
    }

    private var consecutiveTimeouts: Int {
        switch state {
        case .ready(let timeouts), .busy(let timeouts): timeouts
        case .degraded, .draining, .unavailable: 0
        }
    }

    private mutating func backOff(now: MonotonicInstant, settings: PoolSettings) {
        state = .degraded(.backingOff(until: now + settings.degradedBackoff, failedProbes: 0))
    }

    private mutating func probeFailed(after failedProbes: Int, now: MonotonicInstant, settings: PoolSettings) {
        let failures = failedProbes + 1
        if failures >= settings.degradedMaxRetries {
            state = .unavailable(.retriesExhausted)
        } else {
            // Doubled once, not exponentially: a home machine that is back should not wait for hours.
            state = .degraded(.backingOff(until: now + settings.degradedBackoff * 2, failedProbes: failures))
        }
    }
}
