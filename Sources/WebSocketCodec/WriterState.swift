import Primitives

/// Where a ``FrameWriter`` stands: what is in flight, how far the closing handshake has come, and which deadline runs.
///
///     state           Close queued    batch handed over, in flight    batch done      deadline       peer's Close
///     open            → closing       → open with a deadline          → open          → ended        (noted)
///     closing         ignored         → closing with a deadline;      → closing       → ended        (noted)
///                                       the Close in it: closeInFlight
///     closeInFlight   ignored         cannot happen                   → closeWritten  → ended        (noted)
///     closeWritten    ignored         cannot happen                   ignored         → ended        → ended
///     ended           ignored         cannot happen                   ignored         ignored        ignored
///
/// Where the peer's Close has been noted, the end comes in the place of `closeWritten`. A deadline exists only in a
/// state that holds one, so none can be left over from an earlier write.
enum WriterState: Equatable, Sendable {
    case open(Flight, peer: PeerClose)
    /// A Close waits, or a part of what stands before it is in flight.
    case closing(Flight, peer: PeerClose)
    /// The last batch, which ends with the Close.
    case closeInFlight(deadline: MonotonicInstant, peer: PeerClose)
    /// All has left; the peer's Close has not come.
    case closeWritten(drainDeadline: MonotonicInstant)
    case ended(FrameWriter.Ending)

    enum Flight: Equatable, Sendable {
        case nothing
        case batch(deadline: MonotonicInstant)
    }

    enum PeerClose: Equatable, Sendable { case awaited, received }

    var nextDeadline: MonotonicInstant? {
        switch self {
        case .open(.batch(let deadline), _), .closing(.batch(let deadline), _): deadline
        case .closeInFlight(let deadline, _), .closeWritten(let deadline): deadline
        case .open(.nothing, _), .closing(.nothing, _), .ended: nil
        }
    }

    /// Whether the next batch may be handed over.
    @inline(__always) var mayWrite: Bool {
        switch self {
        case .open(.nothing, _), .closing(.nothing, _): true
        case .open(.batch, _), .closing(.batch, _), .closeInFlight, .closeWritten, .ended: false
        }
    }

    /// Whether frames other than a Close may still be queued.
    @inline(__always) var isOpen: Bool {
        switch self {
        case .open(_, .awaited): true
        case .open(_, .received), .closing, .closeInFlight, .closeWritten, .ended: false
        }
    }

    /// Whether the Close is to be queued: false for the second one, whose cause comes too late.
    mutating func closeQueued() -> Bool {
        guard case .open(let flight, let peer) = self else { return false }
        self = .closing(flight, peer: peer)
        return true
    }

    @inline(__always)
    mutating func batchHandedOver(
        _ outcome: WriteOutcome, endsWithClose: Bool, now: MonotonicInstant, _ limits: FrameWriter.Limits
    ) -> FrameWriter.Progress {
        switch outcome {
        case .closed:
            return end(.connectionClosed)
        case .written:
            guard endsWithClose, case .closing(_, let peer) = self else { return .continue }
            return closeLeft(peer, now: now, limits)
        case .inFlight:
            let deadline = now + limits.writeTimeout
            switch self {
            case .open(_, let peer): self = .open(.batch(deadline: deadline), peer: peer)
            case .closing(_, let peer) where endsWithClose: self = .closeInFlight(deadline: deadline, peer: peer)
            case .closing(_, let peer): self = .closing(.batch(deadline: deadline), peer: peer)
            case .closeInFlight, .closeWritten, .ended: break
            }
            return .continue
        }
    }

    mutating func writeCompleted(now: MonotonicInstant, _ limits: FrameWriter.Limits) -> FrameWriter.Progress {
        switch self {
        case .open(.batch, let peer): self = .open(.nothing, peer: peer)
        case .closing(.batch, let peer): self = .closing(.nothing, peer: peer)
        case .closeInFlight(_, let peer): return closeLeft(peer, now: now, limits)
        case .open(.nothing, _), .closing(.nothing, _), .closeWritten, .ended: break
        }
        return .continue
    }

    mutating func deadlineReached(now: MonotonicInstant) -> FrameWriter.Progress {
        guard let deadline = nextDeadline, deadline <= now else { return .continue }
        if case .closeWritten = self { return end(.closeDrained) }
        return end(.writeTimedOut)
    }

    mutating func closeReceived() -> FrameWriter.Progress {
        switch self {
        case .open(let flight, _): self = .open(flight, peer: .received)
        case .closing(let flight, _): self = .closing(flight, peer: .received)
        case .closeInFlight(let deadline, _): self = .closeInFlight(deadline: deadline, peer: .received)
        case .closeWritten: return end(.closeHandshakeDone)
        case .ended: break
        }
        return .continue
    }

    private mutating func closeLeft(
        _ peer: PeerClose, now: MonotonicInstant, _ limits: FrameWriter.Limits
    ) -> FrameWriter.Progress {
        guard peer == .awaited else { return end(.closeHandshakeDone) }
        self = .closeWritten(drainDeadline: now + limits.closeDrain)
        return .continue
    }

    private mutating func end(_ ending: FrameWriter.Ending) -> FrameWriter.Progress {
        self = .ended(ending)
        return .finished(ending)
    }
}
