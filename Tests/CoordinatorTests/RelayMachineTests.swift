import Coordinator
import Primitives
import Testing

/// Every cell of the table at the head of ``RelayMachine``.
@Suite("The relay's state machine")
struct RelayMachineTests {
    static let timeouts = RelayMachine.Timeouts(
        preflight: .seconds(5), silence: .seconds(300), gap: .seconds(5), cancel: .seconds(10))
    static let start = MonotonicInstant.zero

    enum Situation: String, CaseIterable, Sendable { case asking, waiting, streaming, cancelling, finished }

    static func machine(_ situation: Situation) -> RelayMachine {
        var machine = RelayMachine(timeouts: timeouts, asksFirst: situation == .asking, now: start)
        switch situation {
        case .asking, .waiting: break
        case .streaming: _ = machine.chunkReceived(seq: 0, now: start)
        case .cancelling: _ = machine.buyerLeft(now: start)
        case .finished: _ = machine.ended(with: .complete)
        }
        return machine
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.ChunkAction.ignore), (.waiting, .relay(isFirst: true)),
        (.streaming, .ignore), (.cancelling, .ignore), (.finished, .ignore),
    ])
    func firstChunk(_ situation: Situation, _ expected: RelayMachine.ChunkAction) {
        var machine = Self.machine(situation)
        #expect(machine.chunkReceived(seq: 0, now: Self.start) == expected)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.ChunkAction.ignore), (.waiting, .hold), (.streaming, .relay(isFirst: false)),
        (.cancelling, .ignore), (.finished, .ignore),
    ])
    func secondChunk(_ situation: Situation, _ expected: RelayMachine.ChunkAction) {
        var machine = Self.machine(situation)
        #expect(machine.chunkReceived(seq: 1, now: Self.start) == expected)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.EndAction.ignore), (.waiting, .complete), (.streaming, .complete),
        (.cancelling, .releaseSlot), (.finished, .ignore),
    ])
    func complete(_ situation: Situation, _ expected: RelayMachine.EndAction) {
        var machine = Self.machine(situation)
        #expect(machine.completed(hasGap: false) == expected)
        // Terminal: a second end changes nothing.
        if situation != .asking { #expect(machine.completed(hasGap: false) == .ignore) }
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.EndAction.ignore), (.waiting, .fail(.brokenStream, begun: false)),
        (.streaming, .fail(.brokenStream, begun: true)), (.cancelling, .releaseSlot), (.finished, .ignore),
    ])
    func completeWithAGap(_ situation: Situation, _ expected: RelayMachine.EndAction) {
        var machine = Self.machine(situation)
        #expect(machine.completed(hasGap: true) == expected)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.EndAction.ignore), (.waiting, .tryNextProvider),
        (.streaming, .fail(.queueFull, begun: true)), (.cancelling, .releaseSlot), (.finished, .ignore),
    ])
    func queueFull(_ situation: Situation, _ expected: RelayMachine.EndAction) {
        var machine = Self.machine(situation)
        #expect(machine.ended(with: .fail(.queueFull)) == expected)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.EndAction.ignore), (.waiting, .closeBuyer), (.streaming, .closeBuyer),
        (.cancelling, .releaseSlot), (.finished, .ignore),
    ])
    func cancelledByTheProvider(_ situation: Situation, _ expected: RelayMachine.EndAction) {
        var machine = Self.machine(situation)
        #expect(machine.ended(with: .cancelled) == expected)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.Interruption.withdraw(nil)), (.waiting, .cancel(nil, begun: false)),
        (.streaming, .cancel(nil, begun: true)), (.cancelling, .none), (.finished, .none),
    ])
    func buyerLeft(_ situation: Situation, _ expected: RelayMachine.Interruption) {
        var machine = Self.machine(situation)
        #expect(machine.buyerLeft(now: Self.start) == expected)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.Interruption.tryNextProvider), (.waiting, .fail(.disconnected, begun: false)),
        (.streaming, .fail(.disconnected, begun: true)), (.cancelling, .releaseSlot), (.finished, .none),
    ])
    func sessionEnded(_ situation: Situation, _ expected: RelayMachine.Interruption) {
        var machine = Self.machine(situation)
        #expect(machine.sessionEnded() == expected)
        #expect(machine.isFinished)
        #expect(machine.nextDeadline == nil)
    }

    @Test(arguments: [
        (Situation.asking, RelayMachine.Interruption.tryNextProvider, Duration.seconds(5)),
        (.waiting, .cancel(.timedOut, begun: false), .seconds(300)),
        (.streaming, .cancel(.timedOut, begun: true), .seconds(300)), (.cancelling, .releaseSlot, .seconds(10)),
    ])
    func deadline(_ situation: Situation, _ expected: RelayMachine.Interruption, after: Duration) {
        var machine = Self.machine(situation)
        #expect(machine.nextDeadline == Self.start + after)
        let before = machine
        #expect(machine.deadlineReached(now: Self.start + (after - .nanoseconds(1))) == .none)
        #expect(machine == before)
        #expect(machine.deadlineReached(now: Self.start + after) == expected)
    }

    @Test func aFinishedMachineHasNoDeadline() {
        var machine = Self.machine(.finished)
        #expect(machine.nextDeadline == nil)
        #expect(machine.deadlineReached(now: .distantFuture) == .none)
    }

    @Test func aChunkRenewsTheSilenceButNotTheGap() {
        var machine = Self.machine(.streaming)
        let later = Self.start + .seconds(100)
        #expect(machine.chunkReceived(seq: 1, now: later) == .relay(isFirst: false))
        #expect(machine.nextDeadline == later + .seconds(300))
        #expect(machine.chunkReceived(seq: 3, now: later) == .hold)
        #expect(machine.nextDeadline == later + .seconds(5))
        #expect(machine.chunkReceived(seq: 4, now: later + .seconds(4)) == .hold)
        #expect(machine.nextDeadline == later + .seconds(5))
        #expect(machine.deadlineReached(now: later + .seconds(5)) == .cancel(.gapTimedOut, begun: true))
    }

    @Test func aFilledGapStopsItsClock() {
        var machine = Self.machine(.streaming)
        #expect(machine.chunkReceived(seq: 2, now: Self.start) == .hold)
        #expect(machine.chunkReceived(seq: 1, now: Self.start) == .relay(isFirst: false))
        #expect(machine.chunkReceived(seq: 2, now: Self.start) == .relay(isFirst: false))
        machine.gapChanged(isOpen: false, now: Self.start)
        #expect(machine.nextDeadline == Self.start + .seconds(300))
    }

    @Test(arguments: [(true, true), (false, false)])
    func preflight(_ isAccepted: Bool, _ sends: Bool) {
        var machine = Self.machine(.asking)
        #expect(machine.preflightAnswered(isAccepted: isAccepted, now: Self.start) == sends)
        #expect(machine.isFinished == !isAccepted)
        // A second answer is harmless.
        let again = machine.preflightAnswered(isAccepted: true, now: Self.start)
        #expect(!again)
    }

    @Test(arguments: Situation.allCases) func theLargestSequenceNumberDoesNotTrap(_ situation: Situation) {
        var machine = Self.machine(situation)
        _ = machine.chunkReceived(seq: .max, now: Self.start)
        _ = machine.chunkReceived(seq: .min, now: Self.start)
    }
}
