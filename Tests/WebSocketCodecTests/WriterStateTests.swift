import Primitives
import Testing

@testable import WebSocketCodec

/// Every state and every event of the writer, with the whole outcome.
@Suite struct WriterStateTests {
    enum Event: CaseIterable {
        case closeQueued
        case writeCompleted
        case deadlineTooEarly
        case deadline
        case closeReceived
    }

    private static let now = MonotonicInstant(nanoseconds: 5_000_000_000)
    private static let due = MonotonicInstant(nanoseconds: 4_000_000_000)
    private static let limits = FrameWriter.Limits()
    private static let drain = WriterState.closeWritten(drainDeadline: now + .milliseconds(100))

    private static func open(_ flight: WriterState.Flight, _ peer: WriterState.PeerClose) -> WriterState {
        .open(flight, peer: peer)
    }
    private static func closing(_ flight: WriterState.Flight, _ peer: WriterState.PeerClose) -> WriterState {
        .closing(flight, peer: peer)
    }
    private static let batch = WriterState.Flight.batch(deadline: due)
    private static let closeInFlight = WriterState.closeInFlight(deadline: due, peer: .awaited)
    private static let closeInFlightHeard = WriterState.closeInFlight(deadline: due, peer: .received)
    private static let closeWritten = WriterState.closeWritten(drainDeadline: due)
    private static let ended = WriterState.ended(.closeHandshakeDone)
    private static let timedOut = WriterState.ended(.writeTimedOut)

    struct Row: CustomStringConvertible {
        var from: WriterState
        var event: Event
        var to: WriterState
        var description: String { "\(from), \(event)" }

        /// Told once, by the event that ended it.
        var progress: FrameWriter.Progress {
            if case .ended(let ending) = to, from != to { .finished(ending) } else { .continue }
        }
    }

    private static func rows(
        _ from: WriterState, closeQueued: WriterState, writeCompleted: WriterState, deadline: WriterState,
        closeReceived: WriterState
    ) -> [Row] {
        [
            Row(from: from, event: .closeQueued, to: closeQueued),
            Row(from: from, event: .writeCompleted, to: writeCompleted),
            Row(from: from, event: .deadlineTooEarly, to: from),
            Row(from: from, event: .deadline, to: deadline),
            Row(from: from, event: .closeReceived, to: closeReceived),
        ]
    }

    static let table: [Row] = [
        rows(
            open(.nothing, .awaited), closeQueued: closing(.nothing, .awaited),
            writeCompleted: open(.nothing, .awaited), deadline: open(.nothing, .awaited),
            closeReceived: open(.nothing, .received)),
        rows(
            open(batch, .awaited), closeQueued: closing(batch, .awaited), writeCompleted: open(.nothing, .awaited),
            deadline: timedOut, closeReceived: open(batch, .received)),
        rows(
            open(.nothing, .received), closeQueued: closing(.nothing, .received),
            writeCompleted: open(.nothing, .received), deadline: open(.nothing, .received),
            closeReceived: open(.nothing, .received)),
        rows(
            open(batch, .received), closeQueued: closing(batch, .received), writeCompleted: open(.nothing, .received),
            deadline: timedOut, closeReceived: open(batch, .received)),
        rows(
            closing(.nothing, .awaited), closeQueued: closing(.nothing, .awaited),
            writeCompleted: closing(.nothing, .awaited), deadline: closing(.nothing, .awaited),
            closeReceived: closing(.nothing, .received)),
        rows(
            closing(batch, .awaited), closeQueued: closing(batch, .awaited),
            writeCompleted: closing(.nothing, .awaited), deadline: timedOut, closeReceived: closing(batch, .received)),
        rows(
            closing(.nothing, .received), closeQueued: closing(.nothing, .received),
            writeCompleted: closing(.nothing, .received), deadline: closing(.nothing, .received),
            closeReceived: closing(.nothing, .received)),
        rows(
            closing(batch, .received), closeQueued: closing(batch, .received),
            writeCompleted: closing(.nothing, .received), deadline: timedOut, closeReceived: closing(batch, .received)),
        rows(
            closeInFlight, closeQueued: closeInFlight, writeCompleted: drain, deadline: timedOut,
            closeReceived: closeInFlightHeard),
        rows(
            closeInFlightHeard, closeQueued: closeInFlightHeard, writeCompleted: ended, deadline: timedOut,
            closeReceived: closeInFlightHeard),
        rows(
            closeWritten, closeQueued: closeWritten, writeCompleted: closeWritten, deadline: .ended(.closeDrained),
            closeReceived: ended),
        rows(timedOut, closeQueued: timedOut, writeCompleted: timedOut, deadline: timedOut, closeReceived: timedOut),
    ].flatMap { $0 }

    @Test(arguments: table)
    func cell(row: Row) {
        var state = row.from
        let progress: FrameWriter.Progress
        switch row.event {
        case .closeQueued:
            let isTaken = state.closeQueued()
            #expect(isTaken == (row.from != row.to))
            progress = .continue
        case .writeCompleted: progress = state.writeCompleted(now: Self.now, Self.limits)
        case .deadlineTooEarly:
            progress = state.deadlineReached(now: MonotonicInstant(nanoseconds: Self.due.nanoseconds - 1))
        case .deadline: progress = state.deadlineReached(now: Self.due)
        case .closeReceived: progress = state.closeReceived()
        }
        #expect(state == row.to)
        #expect(progress == row.progress)
    }

    struct Handover: CustomStringConvertible {
        var from: WriterState
        var outcome: WriteOutcome
        var endsWithClose: Bool
        var to: WriterState
        var description: String { "\(from), \(outcome), \(endsWithClose)" }
    }

    private static let fresh = WriterState.Flight.batch(deadline: now + .seconds(10))

    /// A batch is handed over only where nothing is in flight.
    static let handovers: [Handover] =
        [WriterState.PeerClose.awaited, .received].flatMap { peer in
            [
                Handover(
                    from: open(.nothing, peer), outcome: .written, endsWithClose: false, to: open(.nothing, peer)),
                Handover(from: open(.nothing, peer), outcome: .inFlight, endsWithClose: false, to: open(fresh, peer)),
                Handover(
                    from: open(.nothing, peer), outcome: .closed, endsWithClose: false, to: .ended(.connectionClosed)),
                Handover(
                    from: closing(.nothing, peer), outcome: .written, endsWithClose: false, to: closing(.nothing, peer)),
                Handover(
                    from: closing(.nothing, peer), outcome: .inFlight, endsWithClose: false, to: closing(fresh, peer)),
                Handover(
                    from: closing(.nothing, peer), outcome: .written, endsWithClose: true,
                    to: peer == .received ? ended : drain),
                Handover(
                    from: closing(.nothing, peer), outcome: .inFlight, endsWithClose: true,
                    to: .closeInFlight(deadline: now + .seconds(10), peer: peer)),
                Handover(
                    from: closing(.nothing, peer), outcome: .closed, endsWithClose: true, to: .ended(.connectionClosed)),
            ]
        }

    @Test(arguments: handovers)
    func handover(handover: Handover) {
        #expect(handover.from.mayWrite)
        var state = handover.from
        let progress = state.batchHandedOver(
            handover.outcome, endsWithClose: handover.endsWithClose, now: Self.now, Self.limits)
        #expect(state == handover.to)
        if case .ended(let ending) = handover.to {
            #expect(progress == .finished(ending))
        } else {
            #expect(progress == .continue)
        }
    }

    /// What may be queued and written, and which deadline runs, follows from the state alone.
    @Test func deadlineExistsOnlyInFlightOrInTheDrain() {
        for row in Self.table where row.event == .closeQueued {
            switch row.from {
            case .open(.batch, _), .closing(.batch, _), .closeInFlight, .closeWritten:
                #expect(row.from.nextDeadline == Self.due)
                #expect(!row.from.mayWrite)
            case .open(.nothing, _), .closing(.nothing, _):
                #expect(row.from.nextDeadline == nil)
                #expect(row.from.mayWrite)
            case .ended:
                #expect(row.from.nextDeadline == nil)
                #expect(!row.from.mayWrite)
            }
            if case .open(_, .awaited) = row.from { #expect(row.from.isOpen) } else { #expect(!row.from.isOpen) }
        }
    }
}
