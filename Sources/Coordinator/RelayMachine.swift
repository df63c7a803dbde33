package import Primitives

/// One request between the choice of a provider and its end. Holds no clock and no bytes; says what to do.
///
///     state        chunk in order     later chunk       end                    buyer left      session ended
///     asking       ignored            ignored           ignored                withdraw        next
///     waiting      relay, streaming   hold, gap clock   complete, next, fail   cancel          fail
///     streaming    relay              hold, gap clock   complete or fail       cancel          fail
///     cancelling   ignored            ignored           release                nothing         release
///     finished     ignored            ignored           ignored                nothing         nothing
///
/// While `asking`, the answer to the preflight makes it `waiting` or tries the next provider; so does its deadline.
///
/// Deadlines (docs/protocol.md, section 7): the preflight; silence of the provider; a gap in `seq`; the slot of a cancelled request.
package struct RelayMachine: Equatable, Sendable {
    package struct Timeouts: Equatable, Sendable {
        package var preflight: Duration
        package var silence: Duration
        package var gap: Duration
        package var cancel: Duration

        package init(preflight: Duration, silence: Duration, gap: Duration, cancel: Duration) {
            self.preflight = preflight
            self.silence = silence
            self.gap = gap
            self.cancel = cancel
        }
    }

    /// Why a request failed after it had been dispatched.
    package enum Failure: Equatable, Sendable {
        case disconnected, timedOut, gapTimedOut, modelNotLoaded, contextExceeded, queueFull, internalError
        case brokenStream, shuttingDown
        /// A sealed frame of its provider did not open.
        case sealBroken
        /// The provider does not know `inference_request`.
        case notUnderstood
        /// Of a forwarded request: a gateway before the provider gave up, or found nobody.
        case endpointTimedOut, endpointUnreachable
        /// More than the bound waits for the buyer, who does not read.
        case buyerTooSlow
    }

    package enum ChunkAction: Equatable, Sendable {
        /// Pass it on. The first one begins the answer.
        case relay(isFirst: Bool)
        /// Keep a copy until the missing chunks have come.
        case hold
        case ignore
    }

    package enum EndAction: Equatable, Sendable {
        case complete
        /// Nothing has reached the buyer: another provider may try.
        case tryNextProvider
        case fail(Failure, begun: Bool)
        /// The provider stopped because it was told to; the buyer's connection closes.
        case closeBuyer
        /// The request was over for the buyer already: only the slot becomes free.
        case releaseSlot
        case ignore
    }

    package enum Interruption: Equatable, Sendable {
        /// Send `cancel_request`; the slot is held until the provider ends or the deadline comes.
        case cancel(Failure?, begun: Bool)
        case fail(Failure, begun: Bool)
        case releaseSlot
        /// The provider was only asked, or has gone before it answered a question: ask or send to the next one.
        case tryNextProvider
        /// Nothing was sent yet: the slot is free at once, and nobody needs to be told to stop.
        case withdraw(Failure?)
        case none
    }

    private enum State: Equatable, Sendable {
        case asking(until: MonotonicInstant)
        case waiting(nextSeq: Int)
        case streaming(nextSeq: Int)
        case cancelling(until: MonotonicInstant)
        case finished
    }

    private let timeouts: Timeouts
    private var state: State
    private var lastHeard: MonotonicInstant
    private var gapSince: MonotonicInstant?

    /// - Parameter asksFirst: the provider gets a preflight before the request.
    package init(timeouts: Timeouts, asksFirst: Bool = false, now: MonotonicInstant) {
        self.timeouts = timeouts
        state = asksFirst ? .asking(until: now + timeouts.preflight) : .waiting(nextSeq: 0)
        lastHeard = now
    }

    /// When ``deadlineReached(now:)`` must be called; nil once finished.
    package var nextDeadline: MonotonicInstant? {
        switch state {
        case .waiting, .streaming:
            let silence = lastHeard + timeouts.silence
            guard let gapSince else { return silence }
            return min(silence, gapSince + timeouts.gap)
        case .asking(let until), .cancelling(let until): return until
        case .finished: return nil
        }
    }

    package var hasBegun: Bool {
        if case .streaming = state { return true }
        return false
    }

    package var isCancelling: Bool {
        if case .cancelling = state { return true }
        return false
    }

    package var isFinished: Bool { state == .finished }

    /// The `seq` that goes to the buyer next.
    package var nextSeq: Int {
        switch state {
        case .waiting(let next), .streaming(let next): next
        case .asking, .cancelling, .finished: .max
        }
    }

    @inline(__always)
    package mutating func chunkReceived(seq: Int, now: MonotonicInstant) -> ChunkAction {
        switch state {
        case .streaming(let next):
            lastHeard = now
            guard seq == next else { return chunkOutOfOrder(seq, expected: next, now: now) }
            state = .streaming(nextSeq: next &+ 1)
            return .relay(isFirst: false)
        case .waiting(let next):
            lastHeard = now
            guard seq == next else { return chunkOutOfOrder(seq, expected: next, now: now) }
            state = .streaming(nextSeq: next &+ 1)
            return .relay(isFirst: true)
        case .asking, .cancelling, .finished:
            return .ignore
        }
    }

    private mutating func chunkOutOfOrder(_ seq: Int, expected: Int, now: MonotonicInstant) -> ChunkAction {
        guard seq > expected else { return .ignore }
        if gapSince == nil { gapSince = now }
        return .hold
    }

    /// Every held chunk has been passed on, or the next of them is missing again.
    package mutating func gapChanged(isOpen: Bool, now: MonotonicInstant) {
        gapSince = isOpen ? now : nil
    }

    package mutating func completed(hasGap: Bool) -> EndAction {
        ended(with: hasGap ? .fail(.brokenStream) : .complete)
    }

    package mutating func ended(with result: ProviderResult) -> EndAction {
        switch state {
        case .waiting, .streaming:
            let begun = hasBegun
            state = .finished
            switch result {
            case .complete: return .complete
            case .cancelled: return .closeBuyer
            case .fail(.queueFull) where !begun: return .tryNextProvider
            case .fail(let failure): return .fail(failure, begun: begun)
            }
        case .cancelling:
            state = .finished
            return .releaseSlot
        case .asking, .finished:
            return .ignore
        }
    }

    /// The answer to the preflight. True: send the request now. False: this answer changes nothing, or is a refusal
    /// (then ``isFinished`` holds, and the next provider is tried).
    package mutating func preflightAnswered(isAccepted: Bool, now: MonotonicInstant) -> Bool {
        guard case .asking = state else { return false }
        state = isAccepted ? .waiting(nextSeq: 0) : .finished
        lastHeard = now
        return isAccepted
    }

    /// How a provider says that it is done.
    package enum ProviderResult: Equatable, Sendable {
        case complete, cancelled
        case fail(Failure)
    }

    package mutating func buyerLeft(now: MonotonicInstant) -> Interruption {
        interrupted(by: nil, now: now)
    }

    /// Gives the request up from this side: the buyer is told, the provider is asked to stop.
    package mutating func abandoned(_ failure: Failure, now: MonotonicInstant) -> Interruption {
        interrupted(by: failure, now: now)
    }

    private mutating func interrupted(by failure: Failure?, now: MonotonicInstant) -> Interruption {
        switch state {
        case .waiting, .streaming:
            let begun = hasBegun
            state = .cancelling(until: now + timeouts.cancel)
            return .cancel(failure, begun: begun)
        case .asking:
            state = .finished
            return .withdraw(failure)
        case .cancelling, .finished:
            return .none
        }
    }

    package mutating func sessionEnded() -> Interruption {
        switch state {
        case .waiting, .streaming:
            let begun = hasBegun
            state = .finished
            return .fail(.disconnected, begun: begun)
        case .asking:
            state = .finished
            return .tryNextProvider
        case .cancelling:
            state = .finished
            return .releaseSlot
        case .finished:
            return .none
        }
    }

    /// Early, late and repeated calls are harmless.
    package mutating func deadlineReached(now: MonotonicInstant) -> Interruption {
        guard let deadline = nextDeadline, deadline <= now else { return .none }
        switch state {
        case .waiting, .streaming:
            let isGap = gapSince.map { $0 + timeouts.gap <= now } ?? false
            return interrupted(by: isGap ? .gapTimedOut : .timedOut, now: now)
        case .asking:
            state = .finished
            return .tryNextProvider
        case .cancelling:
            state = .finished
            return .releaseSlot
        case .finished:
            return .none
        }
    }
}
