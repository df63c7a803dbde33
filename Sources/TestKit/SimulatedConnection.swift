package import Environment
package import Primitives

/// How the pipe from one end to the other behaves. Changing it takes effect for bytes not yet delivered.
package struct PipeBehaviour: Sendable {
    /// Time from the write to the arrival.
    package var latency: Duration = .microseconds(50) {
        didSet { latencyNanoseconds = latency.inNanoseconds }
    }
    /// Random extra, 0...jitter. Bytes of one direction never overtake each other.
    package var jitter: Duration = .zero {
        didSet { jitterNanoseconds = jitter.inNanoseconds }
    }
    private(set) var latencyNanoseconds: Int64 = 50_000
    private(set) var jitterNanoseconds: Int64 = 0
    /// Bytes the "kernel" takes from the writer while the reader has not read them.
    package var capacity = 256 * 1024
    /// Largest piece delivered at once; pieces are cut at random below it when ``cutsAtRandom``.
    package var largestPiece = 64 * 1024
    package var cutsAtRandom = false
    /// Nothing arrives while set; the writer fills the capacity and then blocks.
    package var isStalled = false
    /// Bytes vanish without a word (half-open).
    package var isBlackHole = false

    package init() {}
}

/// One end of a simulated TCP connection. Both ends are made together by ``SimulatedEnvironment/connect(to:)`` and
/// are alike: either may be the coordinator's.
///
/// It fails the test (``ruleViolation``) when a second batch is written while one is in flight.
package final class SimulatedConnection: Connection, ByteSink {
    package let peer: PeerAddress
    package var handler: (any ConnectionHandler)?
    /// How bytes written at this end travel to the other.
    package var outgoing = PipeBehaviour()
    /// Every byte that was written at this end, if recording is on.
    package private(set) var recorded: [UInt8] = []
    package var isRecording = false
    /// Set when the writer broke the driver's contract.
    package private(set) var ruleViolation: String?
    package private(set) var writtenByteCount = 0

    private enum State { case open, closing, ended }

    // Unchecked, since it is asked for several times in each turn: whoever makes the world holds it for as long as
    // anything happens in it, and a connection does nothing by itself.
    private unowned(unsafe) let environment: SimulatedEnvironment
    private let census: Census
    private var other: SimulatedConnection?
    /// Among those that the core has accepted; kept by the environment.
    var positionInAccepted: Int?
    private var state = State.open
    private var ending = ConnectionEnd.closedHere
    private var flushIsRequested = false
    private var pauseCount = 0
    private var deadline: MonotonicInstant?
    /// The event that looks whether ``deadline`` has come. One that comes too early looks again, so that moving a
    /// deadline later costs nothing.
    private var timer: (id: TimerID, at: MonotonicInstant)?

    /// Written here, not yet delivered to the other end.
    private var inTransit = ByteQueue()
    /// The rest of the batch that ``inTransit`` had no room for.
    private var inFlight = ByteQueue()
    private var deliveryIsScheduled = false
    private var finIsWanted = false
    private var finIsSent = false
    private var lastArrival: Int64 = 0

    init(environment: SimulatedEnvironment, peer: PeerAddress) {
        self.environment = environment
        self.peer = peer
        census = environment.connections
        census.count += 1
    }

    deinit { census.count -= 1 }

    func join(_ other: SimulatedConnection) { self.other = other }

    package var isOpen: Bool { state == .open }
    package var hasEnded: Bool { state == .ended }
    /// Bytes on their way to the other end or waiting for room.
    package var undeliveredByteCount: Int { inTransit.count + inFlight.count }

    // MARK: Connection

    package func requestFlush() {
        guard !flushIsRequested, state == .open else { return }
        flushIsRequested = true
        environment.markDirty(self)
    }

    func flushRequested() {
        flushIsRequested = false
        if state == .open { handler?.flush() }
    }

    package func setDeadline(_ deadline: MonotonicInstant?) {
        self.deadline = deadline
        guard let deadline, state == .open else { return }
        if let timer {
            if timer.at <= deadline { return }
            environment.forget(timer.id)
        }
        let time = max(deadline, environment.now)
        timer = (environment.schedule(at: time.nanoseconds, .deadline(self)), time)
    }

    /// Whether a deadline had come indeed.
    func deadlineCame() -> Bool {
        timer = nil
        guard let deadline, state == .open else { return false }
        guard deadline <= environment.now else {
            setDeadline(deadline)
            return false
        }
        self.deadline = nil
        handler?.deadlineReached()
        return true
    }

    package func pauseReading() { pauseCount += 1 }

    package func resumeReading() {
        guard pauseCount > 0 else { return }
        pauseCount -= 1
        if pauseCount == 0 { other?.scheduleDelivery() }
    }

    package func finishWriting() {
        finIsWanted = true
        scheduleDelivery()
    }

    package func close() { end(.closedHere, notifyPeer: .finished) }

    /// What the other end sees when this one dies.
    private enum PeerNotice { case finished, reset, nothing }

    /// RST: what is on its way to the other end is lost.
    package func reset() { end(.closedHere, notifyPeer: .reset) }

    func processEnded() { end(.failed(reason: "the process is gone"), notifyPeer: .reset) }

    /// The machine vanishes: this end is gone, the other hears nothing.
    package func vanish() { end(.closedHere, notifyPeer: .nothing) }

    private func end(_ end: ConnectionEnd, notifyPeer notice: PeerNotice) {
        guard state == .open else { return }
        state = .closing
        if let timer { environment.forget(timer.id) }
        timer = nil
        switch notice {
        case .finished:
            finIsWanted = true
            scheduleDelivery()
        case .reset:
            inTransit.removeAll()
            inFlight.removeAll()
            let other = other
            environment.soon(
                after: outgoing.latency,
                .action { other?.end(.failed(reason: "connection reset by peer"), notifyPeer: .nothing) })
        case .nothing:
            inTransit.removeAll()
            inFlight.removeAll()
        }
        ending = end
        environment.soon(.end(self))
    }

    func ended() {
        state = .ended
        environment.forgetAccepted(self)
        let last = handler
        handler = nil
        last?.closed(ending)
        // Two ends that hold each other would never be freed.
        guard let other, other.state == .ended else { return }
        other.other = nil
        self.other = nil
    }

    // MARK: ByteSink

    package func write(_ batch: ByteView) -> WriteOutcome {
        guard state == .open, !finIsWanted else { return .closed }
        if !inFlight.isEmpty { ruleViolation = "a second batch was written while one is in flight" }
        if batch.count > WriteHalf.batchByteCount { ruleViolation = "a batch of \(batch.count) bytes" }
        if isRecording { recorded.append(contentsOf: batch.buffer) }
        writtenByteCount += batch.count
        let room = max(0, outgoing.capacity - inTransit.count)
        let taken = min(room, batch.count)
        inTransit.append(batch.prefix(taken))
        inFlight.append(batch.dropFirst(taken))
        scheduleDelivery()
        return inFlight.isEmpty ? .written : .inFlight
    }

    // MARK: The pipe

    /// Starts or goes on delivering, for instance after a stall was lifted.
    package func scheduleDelivery() {
        guard !deliveryIsScheduled, state != .ended || !inTransit.isEmpty || finIsWanted else { return }
        guard !inTransit.isEmpty || (finIsWanted && !finIsSent) else { return }
        deliveryIsScheduled = true
        var time = environment.now.nanoseconds + outgoing.latencyNanoseconds
        if outgoing.jitterNanoseconds > 0 {
            time += Int64.random(in: 0...outgoing.jitterNanoseconds, using: &environment.random)
        }
        lastArrival = max(lastArrival, time)
        _ = environment.schedule(at: lastArrival, .delivery(self))
    }

    func deliver() {
        deliveryIsScheduled = false
        deliverPiece()
    }

    private func deliverPiece() {
        guard let other, !outgoing.isStalled else { return }
        if outgoing.isBlackHole {
            inTransit.removeAll()
            refill()
            return
        }
        guard other.state == .open else {
            // Bytes for a closed socket draw a reset, as in TCP.
            let hadBytes = !inTransit.isEmpty
            inTransit.removeAll()
            inFlight.removeAll()
            if hadBytes { end(.failed(reason: "broken pipe"), notifyPeer: .nothing) }
            return
        }
        guard other.pauseCount == 0 else { return }
        guard !inTransit.isEmpty else {
            if finIsWanted && !finIsSent {
                finIsSent = true
                other.handler?.peerFinished()
            }
            return
        }
        var length = min(inTransit.count, outgoing.largestPiece)
        if outgoing.cutsAtRandom && length > 1 { length = Int.random(in: 1...length, using: &environment.random) }
        // Lent, not given: what the receiver kept a view of would be overwritten.
        environment.lent.append(inTransit.view.prefix(length))
        inTransit.consume(length)
        if let view = environment.lent.mutableView {
            other.handler?.received(view)
            view.base.update(repeating: 0xDB, count: view.count)
        }
        environment.lent.consume(length)
        refill()
        scheduleDelivery()
    }

    func writeCompleted() {
        if state == .open { handler?.writeCompleted() }
    }

    /// The reader made room: the rest of the batch moves up, and the writer hears when it is all gone.
    private func refill() {
        guard !inFlight.isEmpty else { return }
        let taken = min(inFlight.count, max(0, outgoing.capacity - inTransit.count))
        inTransit.append(inFlight.view.prefix(taken))
        inFlight.consume(taken)
        if inFlight.isEmpty && state == .open { environment.soon(.writeCompletion(self)) }
        scheduleDelivery()
    }
}

/// How many ends of connections are in memory.
final class Census {
    var count = 0
}

extension SimulatedEnvironment {
    /// Opens a connection to `acceptor`, as a peer at `host` would. `dialer` sets its handler from the two values it
    /// is given; the far end is returned for its behaviour to be changed.
    @discardableResult package func connect(
        to acceptor: any ConnectionAcceptor, from host: String = "198.51.100.7",
        _ dialer: (SimulatedConnection, consuming WriteHalf) -> Void
    ) -> (near: SimulatedConnection, far: SimulatedConnection) {
        let port = UInt16.random(in: 1024...65_535, using: &random)
        let near = SimulatedConnection(environment: self, peer: PeerAddress(host: "192.0.2.1", port: 8444))
        let far = SimulatedConnection(environment: self, peer: PeerAddress(host: host, port: port))
        near.join(far)
        far.join(near)
        track(far)
        dialer(near, WriteHalf(near))
        acceptor.accepted(far, writeHalf: WriteHalf(far))
        return (near, far)
    }
}
