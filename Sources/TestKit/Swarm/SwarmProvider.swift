import Coordinator
import Environment
import Pool
import Primitives
import ProviderProtocol

/// A provider of a swarm: dials in, greets, answers what it is asked, and now and then does what it must not.
///
/// An *exemplary* one has good manners on a good network, whatever else is on in its world; such a session must never
/// be closed without a reason that lies elsewhere.
final class SwarmProvider: ConnectionHandler, SimulatedActor {
    enum Phase: Equatable { case offline, upgrading, greeting, live, closing }

    let index: Int
    /// Unchecked, since it is asked for all the time: the swarm has its actors, and they act only while it runs.
    unowned(unsafe) let swarm: Swarm
    let isExemplary: Bool
    let slots: Int
    let model: Int
    let speaksEncrypted: Bool
    /// Where its requests are forwarded to, if not through its WebSocket.
    let endpointURL: String?
    /// Joins with a token.
    let hasToken: Bool
    private var connectedAt = MonotonicInstant.zero
    /// Of this session, in version 2.
    var leg: SwarmLeg?
    var random: SeededRandom
    private(set) var phase = Phase.offline

    var connection: SimulatedConnection?
    private var farEnd: SimulatedConnection?
    private var writeHalf = WriteHalf.none
    var waiting = ByteQueue()
    /// Where messages are composed.
    var message = ByteQueue()
    private var isInFlight = false
    private var upgrade = ByteQueue()
    private var frames = RawFrameReader(expectsMask: false)
    private var timer: (id: TimerID, at: MonotonicInstant)?

    /// Work of this session that has not been ended.
    var jobs: [SwarmJob] = []
    /// Every request this session was ever sent.
    var known: [SwarmAttempt] = []
    /// Payloads of PINGs that have not been answered, as numbers.
    var pings: [(number: UInt64, sentAt: MonotonicInstant)] = []
    var lastPing: UInt64 = 0
    var nextHeartbeat = MonotonicInstant.zero
    var asleepUntil: MonotonicInstant?
    /// Connections still to be opened and dropped in a row.
    var stormsLeft = 0
    /// Bytes of this session may have been held up: what takes time cannot be judged.
    var linkIsFaulty = false
    /// An operator has spoken of this provider.
    var isTouched = false
    /// What it says of itself, when it lies about it.
    var hasMisbehaved = false
    /// Among random bytes there may be a PING.
    var saysAnything = false

    init(index: Int, swarm: Swarm) {
        self.index = index
        self.swarm = swarm
        var random = swarm.plan.random(for: 1_000 + UInt64(index))
        let isChosen = random.chance(0.4)
        isExemplary = isChosen || swarm.plan.faults.isEmpty
        let mostSlots = swarm.plan.has(.stopsReading) && swarm.plan.has(.tightLimits) ? 16 : 4
        slots = Int.random(in: 1...mostSlots, using: &random)
        speaksEncrypted = random.chance(0.5)
        let mayHaveToken = random.chance(0.5)
        hasToken = swarm.plan.hasStore && (mayHaveToken || swarm.settings.authentication.requiresProviderToken)
        self.random = random
        model = index % swarm.plan.modelCount
        endpointURL = swarm.settings.pool.admission.pinned["p\(index)"]?.endpointURL
    }

    var now: MonotonicInstant { swarm.now }
    var name: String { "p\(index)" }

    /// Whether a fault that this world allows strikes now.
    func strikes(_ fault: Fault, _ share: Double? = nil) -> Bool {
        !isExemplary && swarm.plan.has(fault) && !swarm.isResting && random.chance(share ?? swarm.plan.intensity)
    }

    func misbehaves(_ fault: Fault) {
        hasMisbehaved = true
        swarm.struck(fault)
        swarm.note(.provider, index, "fault", fault.rawValue)
    }

    // MARK: Time

    /// Acts after `delay`, or earlier if that was planned.
    func wake(after delay: Duration) { wake(at: now + delay) }

    func wake(at time: MonotonicInstant) {
        if let timer {
            if timer.at <= time { return }
            swarm.environment.cancel(timer.id)
        }
        timer = (swarm.environment.schedule(self, at: time), time)
    }

    private func stopActing() {
        if let timer { swarm.environment.cancel(timer.id) }
        timer = nil
    }

    func act() {
        timer = nil
        switch phase {
        case .offline:
            if !swarm.isResting || (isExemplary && !swarm.isLeaving) { connect() }
        case .upgrading, .closing: break
        case .greeting: greet()
        case .live: live()
        }
    }

    func worldRests() {
        if let connection { setUplinkStalled(false, connection) }
        farEnd?.outgoing.isStalled = false
        farEnd?.scheduleDelivery()
        if phase == .live { wake(after: .zero) }
    }

    /// For the last time.
    func leave() {
        stopActing()
        connection?.close()
    }

    func forget() {
        writeHalf = .none
        connection = nil
        farEnd = nil
        jobs = []
        known = []
        leg = nil
    }

    // MARK: Connection

    private func connect() {
        guard !swarm.isDown else { return wake(after: .seconds(1)) }
        phase = .upgrading
        connectedAt = now
        upgrade.removeAll()
        frames = RawFrameReader(expectsMask: false)
        waiting.removeAll()
        isInFlight = false
        jobs = []
        known = []
        pings = []
        linkIsFaulty = false
        hasMisbehaved = false
        asleepUntil = nil
        saysAnything = false
        leg = makeLeg()
        let pair = swarm.environment.connect(to: swarm.coordinator.providerAcceptor) { connection, writeHalf in
            self.writeHalf = writeHalf
            connection.handler = self
        }
        connection = pair.near
        farEnd = pair.far
        shape(pair.near)
        shape(pair.far)
        swarm.note(.provider, index, "connects")
        waiting.append("GET /ws/provider HTTP/1.1\r\nHost: pool.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        waiting.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n")
        if hasToken { waiting.append("Authorization: Bearer \(SwarmStore.token(of: index))\r\n") }
        waiting.append("\r\n")
        pair.near.requestFlush()
    }

    /// Draws how one direction behaves. Any of this is a good network still.
    private func shape(_ end: SimulatedConnection) {
        end.outgoing.latency = .microseconds(Int.random(in: 20...2_000, using: &random))
        if swarm.plan.has(.jitter), random.chance(0.5) {
            swarm.struck(.jitter)
            end.outgoing.jitter = .milliseconds(Int.random(in: 1...20, using: &random))
        }
        if swarm.plan.has(.splitPieces), random.chance(0.5) {
            swarm.struck(.splitPieces)
            end.outgoing.cutsAtRandom = true
            end.outgoing.largestPiece = [40, 400, 4_000][Int.random(in: 0..<3, using: &random)]
        }
        if swarm.plan.has(.smallBuffers), random.chance(0.5) {
            swarm.struck(.smallBuffers)
            end.outgoing.capacity = [256, 1_000, 16_000][Int.random(in: 0..<3, using: &random)]
        }
        if swarm.plan.hasLargeRequests { end.outgoing.capacity = random.chance(0.7) ? 40_000 : 100_000 }
    }

    func setUplinkStalled(_ isStalled: Bool, _ end: SimulatedConnection) {
        end.outgoing.isStalled = isStalled
        if !isStalled { end.scheduleDelivery() }
    }

    func setDownlinkStalled(_ isStalled: Bool, capacity: Int? = nil) {
        farEnd?.outgoing.isStalled = isStalled
        if let capacity {
            farEnd?.outgoing.capacity = capacity
        } else if isStalled, random.chance(0.5) {
            // So little that the coordinator's own queue fills behind it.
            farEnd?.outgoing.capacity = 300
        }
        if !isStalled { farEnd?.scheduleDelivery() }
    }

    func becomeBlackHole() {
        connection?.outgoing.isBlackHole = true
        farEnd?.outgoing.isBlackHole = true
    }

    func received(_ bytes: MutableByteView) {
        switch phase {
        case .offline: break
        case .upgrading: upgradeReceived(bytes.readOnly)
        case .greeting, .live, .closing: framesReceived(bytes.readOnly)
        }
    }

    private func upgradeReceived(_ bytes: ByteView) {
        upgrade.append(bytes)
        let head = upgrade.view
        var end: Int?
        var place = 0
        while let line = head.firstIndex(of: 0x0A, from: place) {
            if line >= 3, head[line - 2] == 0x0A {
                end = line + 1
                break
            }
            place = line + 1
        }
        guard let end else { return }
        let isAccepted = head.hasPrefix("HTTP/1.1 101")
        if isAccepted || head.hasPrefix("HTTP/1.1 401") { tokenJudged(isAccepted) }
        if head.hasPrefix("HTTP/1.1 401"), hasToken {
            swarm.note(.provider, index, "is refused for its token")
            connection?.close()
            return
        }
        guard isAccepted else {
            if !head.hasPrefix("HTTP/1.1 503") || !(swarm.isDraining || swarm.plan.has(.tightLimits)) {
                swarm.fail("\(name) was refused: \(head.prefix(40).string)")
            }
            connection?.close()
            return
        }
        phase = .greeting
        let rest = head.dropFirst(end).array
        upgrade.removeAll()
        // The greeting is an act of its own, so that PINGs and storms come before it, too.
        if strikes(.lateHello) {
            misbehaves(.lateHello)
            wake(after: .seconds(Int.random(in: 1...15, using: &random)))
        } else {
            wake(after: .microseconds(random.chance(0.5) ? 0 : 3_000))
        }
        withByteView(rest) { framesReceived($0) }
    }

    /// The coordinator knows the token, or not, unless what it knows has just changed.
    private func tokenJudged(_ isAccepted: Bool) {
        guard let store = swarm.store, hasToken, store.tokensChangedAt < connectedAt else { return }
        let isKnown = store.knownTokens.contains(Int64(index))
        if isAccepted != isKnown {
            swarm.fail("\(name) was \(isAccepted ? "let in" : "refused"), its token is \(isKnown ? "good" : "not")")
        }
        if isAccepted, store.tokenUses[Int64(index)] == nil {
            swarm.fail("the use of the token of \(name) is not on record")
        }
    }

    private func framesReceived(_ bytes: ByteView) {
        frames.append(bytes.buffer)
        do throws(RawFrameReader.Fault) {
            while try frames.next({ frameReceived(opcode: $0, ByteView($1)) }) {}
        } catch {
            swarm.fail("\(name) got broken frames: \(error)")
        }
    }

    private func frameReceived(opcode: UInt8, _ payload: ByteView) {
        switch opcode {
        case RawFrame.text: messageReceived(payload)
        case RawFrame.pong: pongReceived(payload)
        case RawFrame.ping:
            swarm.note(.provider, index, "gets PING")
            if asleepUntil == nil { sendFrame(opcode: RawFrame.pong, payload) }
        case RawFrame.close: closeReceived(payload)
        default: swarm.fail("\(name) got a frame with opcode \(opcode)")
        }
    }

    private func pongReceived(_ payload: ByteView) {
        swarm.pongCame()
        if saysAnything { return }
        guard let expected = pings.first else { return swarm.fail("\(name) got a PONG that it did not ask for") }
        guard payload.count == 8 else { return swarm.fail("\(name) got a PONG of \(payload.count) bytes") }
        let number = UInt64(littleEndian: UnsafeRawPointer(payload.base).loadUnaligned(as: UInt64.self))
        if number != expected.number { swarm.fail("\(name) got PONG \(number), expected \(expected.number)") }
        pings.removeFirst()
    }

    private func closeReceived(_ payload: ByteView) {
        let code = payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 1005
        swarm.note(.provider, index, "gets Close", code)
        let mustComeAgain = code == 1012 && leg?.capabilities.inBandAEADRekeyV1 == false
        if isBlameless, !(swarm.isDraining && code == 1001), !mustComeAgain, phase != .closing {
            swarm.fail("the healthy session of \(name) was closed: \(code) \(payload.dropFirst(2).string)")
        }
        if isBlameless, code == 1001, swarm.drainHasTime,
            let job = jobs.first(where: { $0.attempt.cancelledAt == nil && !$0.attempt.request.isOver })
        {
            swarm.fail("the drain closed \(name) while it worked on request \(job.attempt.request.number)")
        }
        if phase != .closing { sendFrame(opcode: RawFrame.close, payload.prefix(2)) }
        phase = .closing
        stopActing()
    }

    /// The coordinator of this session has ended.
    var isOrphaned: Bool { connectedAt < swarm.lastEnd }
    var isBlameless: Bool { !isOrphaned && isExemplary && !isTouched && !hasMisbehaved && !swarm.isLeaving }

    func live(as assignedID: ByteView) {
        guard phase == .greeting else { return swarm.fail("\(name) was greeted twice") }
        if let store = swarm.store, store.tokensChangedAt < connectedAt, store.knownRejected.contains(name) {
            swarm.fail("\(name) was let in, and is rejected on record")
        }
        phase = .live
        stormsLeft = 0
        nextHeartbeat = now + .seconds(30)
        swarm.sessionBegan()
        swarm.note(.provider, index, "is live")
        wake(after: .milliseconds(Int.random(in: 1...500, using: &random)))
    }

    func peerFinished() { connection?.close() }

    func flush() {
        while !isInFlight, !waiting.isEmpty {
            let batch = waiting.view.prefix(WriteHalf.batchByteCount)
            switch writeHalf.write(batch) {
            case .written: waiting.consume(batch.count)
            case .inFlight:
                waiting.consume(batch.count)
                isInFlight = true
            case .closed: waiting.removeAll()
            }
        }
    }

    func writeCompleted() {
        isInFlight = false
        flush()
    }

    func deadlineReached() {}

    func closed(_ end: ConnectionEnd) {
        swarm.note(.provider, index, "is offline")
        if phase == .live, isBlameless, !swarm.isDraining {
            swarm.fail("the healthy session of \(name) was cut: \(end)")
        }
        phase = .offline
        connection = nil
        farEnd = nil
        for attempt in known { attempt.isLost = true }
        stopActing()
        guard !swarm.isLeaving else { return }
        if stormsLeft > 0 {
            stormsLeft -= 1
            wake(after: .microseconds(Int.random(in: 0...30_000, using: &random)))
        } else {
            wake(after: .milliseconds(Int.random(in: 100...10_000, using: &random)))
        }
    }

    // MARK: Invariants

    func audit() {
        if let limit = leg?.mustEndBy, limit < now, phase == .greeting || phase == .live, !linkIsFaulty,
            asleepUntil == nil
        {
            swarm.fail("the session of \(name) lives on after it broke the protocol of version 2")
        }
        guard phase == .live, !linkIsFaulty, asleepUntil == nil else { return }
        if let ping = pings.first, !saysAnything, !swarm.plan.has(.tightLimits), now - ping.sentAt > swarm.longestWay {
            swarm.fail("\(name) waits for PONG \(ping.number) since \((now - ping.sentAt).inSeconds) s")
        }
        for job in jobs {
            let attempt = job.attempt
            guard attempt.cancelledAt == nil, let left = attempt.request.leftAt else { continue }
            if now - max(left, attempt.receivedAt) > .seconds(2), !swarm.plan.has(.tightLimits),
                !swarm.readsLittleAhead
            {
                swarm.fail("\(name) was not told that the buyer of request \(attempt.request.number) has gone")
            }
        }
    }
}
