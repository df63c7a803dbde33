import Primitives
import Testing

@testable import Pool

/// Every cell of the table above ``ProviderStateMachine``.
@Suite struct ProviderStateMachineTests {
    typealias State = ProviderStateMachine.State
    typealias Action = ProviderStateMachine.Action

    enum Event: String, CaseIterable {
        case heartbeatReady, heartbeatBusy, heartbeatDegraded, heartbeatDraining, heartbeatUnavailable
        case updateReady, updateBusy, updateDegraded, updateDraining, updateUnavailable
        case drainStarting, drainComplete, wakeGap, failed, timedOut, answered, probeAccepted, probeRefused
        case drainOrdered, silence, disconnect, deadline
    }

    static let now = at(1000)
    static let settings = PoolSettings()
    static let states: [String: State] = [
        "ready": .ready(consecutiveTimeouts: 2), "busy": .busy(consecutiveTimeouts: 1),
        "reported": .degraded(.reported), "backingOff": .degraded(.backingOff(until: now, failedProbes: 1)),
        "probing": .degraded(.probing(until: now, failedProbes: 1)),
        "probingLast": .degraded(.probing(until: now, failedProbes: 2)), "waking": .degraded(.waking(until: now)),
        "drainReported": .draining(.reported), "drainOrdered": .draining(.ordered(closeAt: now)),
        "down": .unavailable(.reported), "exhausted": .unavailable(.retriesExhausted),
        "silent": .unavailable(.silent), "gone": .unavailable(.disconnected(removeAt: now)),
    ]

    static let backOff = State.degraded(.backingOff(until: at(1030), failedProbes: 0))
    static let backOffAgain = State.degraded(.backingOff(until: at(1060), failedProbes: 2))
    static let waking = State.degraded(.waking(until: at(1060)))
    static let gone = State.unavailable(.disconnected(removeAt: at(1030)))
    static let ordered = State.draining(.ordered(closeAt: at(1060)))

    /// State → event → what becomes of it. A missing event: same state, no action.
    static let table: [String: [Event: (State, Action)]] = [
        "ready": common([
            .heartbeatBusy: (.busy(consecutiveTimeouts: 2), .none), .updateBusy: (.busy(consecutiveTimeouts: 2), .none),
            .wakeGap: (waking, .sendWarmUp), .failed: (backOff, .none), .timedOut: (backOff, .none),
            .answered: (.ready(consecutiveTimeouts: 0), .none),
        ]),
        "busy": common([
            .heartbeatReady: (.ready(consecutiveTimeouts: 1), .none),
            .updateReady: (.ready(consecutiveTimeouts: 1), .none), .wakeGap: (waking, .sendWarmUp),
            .failed: (backOff, .none), .timedOut: (.busy(consecutiveTimeouts: 2), .none),
            .answered: (.busy(consecutiveTimeouts: 0), .none),
        ]),
        "reported": common([
            .heartbeatReady: (.ready(consecutiveTimeouts: 0), .none),
            .heartbeatBusy: (.busy(consecutiveTimeouts: 0), .none),
            .updateReady: (.ready(consecutiveTimeouts: 0), .none), .updateBusy: (.busy(consecutiveTimeouts: 0), .none),
            .wakeGap: (.degraded(.reported), .sendWarmUp), .failed: (backOff, .none),
        ]),
        "backingOff": observed([
            .wakeGap: (states["backingOff"]!, .sendWarmUp),
            .deadline: (.degraded(.probing(until: at(1005), failedProbes: 1)), .probe),
        ]),
        "probing": observed([
            .wakeGap: (states["probing"]!, .sendWarmUp), .deadline: (backOffAgain, .none),
            .probeAccepted: (.ready(consecutiveTimeouts: 0), .none), .probeRefused: (backOffAgain, .none),
        ]),
        "probingLast": observed([
            .wakeGap: (states["probingLast"]!, .sendWarmUp),
            .deadline: (.unavailable(.retriesExhausted), .none),
            .probeAccepted: (.ready(consecutiveTimeouts: 0), .none),
            .probeRefused: (.unavailable(.retriesExhausted), .none),
        ]),
        "waking": observed([
            .updateBusy: (.busy(consecutiveTimeouts: 0), .none), .updateDegraded: (.degraded(.reported), .none),
            .wakeGap: (waking, .sendWarmUp), .failed: (backOff, .none),
            .deadline: (.ready(consecutiveTimeouts: 0), .none),
        ]),
        "drainReported": [
            .updateReady: (.ready(consecutiveTimeouts: 0), .none),
            .drainComplete: (.draining(.reported), .closeDrained),
            .drainOrdered: (ordered, .none), .disconnect: (.draining(.reported), .remove),
        ],
        "drainOrdered": [
            .drainComplete: (states["drainOrdered"]!, .closeDrained), .drainOrdered: (states["drainOrdered"]!, .none),
            .disconnect: (states["drainOrdered"]!, .remove),
            .deadline: (.draining(.ordered(closeAt: nil)), .closeDrainOverdue),
        ],
        "down": common([
            .heartbeatReady: (.ready(consecutiveTimeouts: 0), .none),
            .heartbeatBusy: (.busy(consecutiveTimeouts: 0), .none),
            .updateReady: (.ready(consecutiveTimeouts: 0), .none), .updateBusy: (.busy(consecutiveTimeouts: 0), .none),
            .wakeGap: (.unavailable(.reported), .sendWarmUp),
        ]),
        "exhausted": [
            .heartbeatDraining: (.draining(.reported), .none), .updateReady: (.ready(consecutiveTimeouts: 0), .none),
            .updateDraining: (.draining(.reported), .none), .drainStarting: (.draining(.reported), .none),
            .drainComplete: (.draining(.reported), .closeDrained), .wakeGap: (states["exhausted"]!, .sendWarmUp),
            .drainOrdered: (ordered, .none), .silence: (.unavailable(.silent), .none), .disconnect: (gone, .none),
        ],
        "silent": [.disconnect: (gone, .none)],
        "gone": [.deadline: (states["gone"]!, .remove)],
    ]

    /// Of states that follow what the provider says.
    static func common(_ own: [Event: (State, Action)]) -> [Event: (State, Action)] {
        own.merging([
            .heartbeatDegraded: (.degraded(.reported), .none), .updateDegraded: (.degraded(.reported), .none),
            .heartbeatDraining: (.draining(.reported), .none), .updateDraining: (.draining(.reported), .none),
            .heartbeatUnavailable: (.unavailable(.reported), .none),
            .updateUnavailable: (.unavailable(.reported), .none),
            .drainStarting: (.draining(.reported), .none), .drainComplete: (.draining(.reported), .closeDrained),
            .drainOrdered: (ordered, .none), .silence: (.unavailable(.silent), .none), .disconnect: (gone, .none),
        ]) { own, _ in own }
    }

    /// Of degradations that the coordinator has observed itself.
    static func observed(_ own: [Event: (State, Action)]) -> [Event: (State, Action)] {
        own.merging([
            .heartbeatDraining: (.draining(.reported), .none), .updateDraining: (.draining(.reported), .none),
            .heartbeatUnavailable: (.unavailable(.reported), .none),
            .updateUnavailable: (.unavailable(.reported), .none),
            .updateReady: (.ready(consecutiveTimeouts: 0), .none),
            .drainStarting: (.draining(.reported), .none), .drainComplete: (.draining(.reported), .closeDrained),
            .drainOrdered: (ordered, .none), .silence: (.unavailable(.silent), .none), .disconnect: (gone, .none),
        ]) { own, _ in own }
    }

    static func apply(_ event: Event, to machine: inout ProviderStateMachine) -> Action {
        switch event {
        case .heartbeatReady: machine.reported(.ready, by: .heartbeat)
        case .heartbeatBusy: machine.reported(.busy, by: .heartbeat)
        case .heartbeatDegraded: machine.reported(.degraded, by: .heartbeat)
        case .heartbeatDraining: machine.reported(.draining, by: .heartbeat)
        case .heartbeatUnavailable: machine.reported(.unavailable, by: .heartbeat)
        case .updateReady: machine.reported(.ready, by: .update)
        case .updateBusy: machine.reported(.busy, by: .update)
        case .updateDegraded: machine.reported(.degraded, by: .update)
        case .updateDraining: machine.reported(.draining, by: .update)
        case .updateUnavailable: machine.reported(.unavailable, by: .update)
        case .drainStarting: return machine.drainReported(isComplete: false)
        case .drainComplete: return machine.drainReported(isComplete: true)
        case .wakeGap: return machine.wakeGapNoticed(now: now, settings: settings)
        case .failed: machine.requestFailed(now: now, settings: settings)
        case .timedOut: machine.requestTimedOut(now: now, settings: settings)
        case .answered: machine.requestAnswered()
        case .probeAccepted: machine.probeAnswered(accepted: true, now: now, settings: settings)
        case .probeRefused: machine.probeAnswered(accepted: false, now: now, settings: settings)
        case .drainOrdered: machine.drainOrdered(closeAt: at(1060))
        case .silence: machine.silenceNoticed()
        case .disconnect: return machine.disconnected(now: now, settings: settings)
        case .deadline: return machine.deadlineReached(now: now, settings: settings)
        }
        return .none
    }

    @Test(arguments: states.keys.sorted(), Event.allCases)
    func cell(_ name: String, _ event: Event) throws {
        let start = try #require(Self.states[name])
        var machine = ProviderStateMachine(start)
        let action = Self.apply(event, to: &machine)
        let expected = Self.table[name]?[event] ?? (start, .none)
        #expect(machine.state == expected.0)
        #expect(action == expected.1)
    }

    @Test(arguments: states.keys.sorted())
    func anEarlyDeadlineDoesNothing(_ name: String) throws {
        let start = try #require(Self.states[name])
        var machine = ProviderStateMachine(start)
        #expect(machine.deadlineReached(now: at(999.9), settings: Self.settings) == .none)
        #expect(machine.state == start)
    }

    @Test func failuresWithoutProbesEndWithTheBackOff() {
        var settings = PoolSettings()
        settings.probesAfterFailure = false
        var machine = ProviderStateMachine()
        machine.requestFailed(now: at(0), settings: settings)
        #expect(machine.providerState == .degraded)
        #expect(machine.deadlineReached(now: at(30), settings: settings) == .none)
        #expect(machine.state == .ready(consecutiveTimeouts: 0))
    }

    @Test func theBackOffDoublesOnce() {
        var machine = ProviderStateMachine()
        machine.requestFailed(now: at(0), settings: Self.settings)
        var probes: [MonotonicInstant] = []
        while let deadline = machine.deadline {
            if machine.deadlineReached(now: deadline, settings: Self.settings) == .probe {
                probes.append(deadline)
                machine.probeAnswered(accepted: false, now: deadline, settings: Self.settings)
            }
        }
        #expect(probes == [at(30), at(90), at(150)])
        #expect(machine.state == .unavailable(.retriesExhausted))
    }

    @Test func onlyTimeOutsInARowCount() {
        var machine = ProviderStateMachine()
        for _ in 0..<5 {
            machine.requestTimedOut(now: at(0), settings: Self.settings)
            machine.requestTimedOut(now: at(0), settings: Self.settings)
            machine.requestAnswered()
        }
        #expect(machine.state == .ready(consecutiveTimeouts: 0))
    }
}
