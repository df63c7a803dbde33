import Coordinator
import Environment
package import JSON
import Pool
import Primitives
import ProviderProtocol
import WebSocketCodec

/// A whole pool in one process and in virtual time: a coordinator, providers, buyers and an operator, any of whom may
/// fail, lie or leave as their ``SwarmPlan`` allows, and invariants that are checked after every turn of the loop.
package final class Swarm {
    let plan: SwarmPlan
    let environment: SimulatedEnvironment
    private(set) var coordinator: Coordinator!
    let settings: CoordinatorSettings
    private(set) var providers: [SwarmProvider] = []
    private(set) var buyers: [SwarmBuyer] = []
    private var operators: SwarmOperator?
    private(set) var forwarder: SwarmForwarder!
    private(set) var store: SwarmStore?
    /// Nobody listens before.
    private(set) var downUntil = MonotonicInstant.zero
    /// When a coordinator ended last.
    private(set) var lastEnd = MonotonicInstant.zero
    /// When nobody can notice any more that a coordinator ended.
    private var calmAt = MonotonicInstant.zero
    /// What coordinators counted that have ended.
    private var earlier: [CoordinatorMetrics] = []
    let parser: JSONParser
    /// For sessions of version 2: their messages are read a second time, with the product's own values.
    let legParser = JSONParser()
    let legWorkspace = LegWorkspace()
    var random: SeededRandom

    /// By number.
    private(set) var requests: [SwarmRequest] = []
    package private(set) var violation: String?
    package private(set) var tally = SwarmTally()
    /// Every event is printed as it happens.
    private let isTalkative: Bool
    private var trace = SwarmTrace()

    /// The actors rest: nothing new begins.
    private(set) var isResting = false
    private(set) var isLeaving = false
    /// Requests refused for a full queue, and sessions, after the turn before.
    private var queueState: (UInt64, Int) = (0, 0)
    private var drain: (startedAt: MonotonicInstant, limit: Duration, finishedAt: MonotonicInstant?)?

    package init(plan: SwarmPlan, parser: JSONParser, isTalkative: Bool = false) {
        self.plan = plan
        self.parser = parser
        self.isTalkative = isTalkative
        settings = plan.settings
        random = plan.random(for: 2)
        environment = SimulatedEnvironment(seed: plan.seed)
        environment.keptLogRecordCount = 0
        if plan.hasStore { store = SwarmStore(swarm: self) }
        forwarder = SwarmForwarder(swarm: self)
        coordinator = makeCoordinator()
        coordinator.forwarder = forwarder
        environment.onLog = { [unowned self] event in note(.coordinator, 0, event) }
        environment.afterStep = { [unowned self] in stepEnded() }
    }

    var now: MonotonicInstant { environment.now }

    // MARK: A run

    /// Lives through the whole plan.
    package func run() {
        populate()
        _ = environment.run(upTo: plan.duration) { violation != nil }
        isResting = true
        note(.world, 0, "rest")
        for provider in providers { provider.worldRests() }
        for buyer in buyers { buyer.worldRests() }
        operators?.stop()
        settle("a request never ended", within: patience) { buyers.allSatisfy(\.isDone) }
        checkRest()
        isLeaving = true
        note(.world, 0, "everybody leaves")
        for provider in providers { provider.leave() }
        // With a storage, the next snapshot is always planned.
        settle("something is left when everybody has gone", within: .seconds(400)) { [environment] in
            environment.pendingEventCount == (store == nil ? 0 : 1)
        }
        store?.stop(inOrder: true)
        checkEmptiness()
        tally.events += environment.stepCount
        tally.virtualTime += environment.now - .zero
    }

    private func populate() {
        for fault in [Fault.tightLimits, .shortTimeouts] where plan.has(fault) { struck(fault) }
        for index in 0..<plan.providerCount {
            providers.append(SwarmProvider(index: index, swarm: self))
        }
        for index in 0..<plan.buyerCount where !plan.withoutBuyers.contains(index) {
            buyers.append(SwarmBuyer(index: index, swarm: self))
        }
        for provider in providers where !plan.withoutProviders.contains(provider.index) { provider.wake(after: .zero) }
        for buyer in buyers { buyer.wake(after: .milliseconds(random.chance(0.5) ? 1 : 300)) }
        let operators = SwarmOperator(swarm: self)
        operators.begin()
        self.operators = operators
        planRestart()
    }

    /// The longest that anything may take once nothing new begins.
    private var patience: Duration {
        // Of a pipeline each request may take its time.
        let one =
            settings.routing.requestTimeout + settings.routing.preflightTimeout * (plan.providerCount + 2) + rekeyWait
        return one * (plan.has(.buyerPipelines) ? 4 : 1) + .seconds(400)
    }

    private func settle(_ fault: String, within limit: Duration, _ isSettled: () -> Bool) {
        guard violation == nil else { return }
        let isInTime = environment.run(upTo: limit) { violation != nil || isSettled() }
        if !isInTime { fail(fault + leftovers) }
    }

    // MARK: Truth

    func makeRequest(model: Int, stream: Bool, filler: Int) -> SwarmRequest {
        let number = requests.count
        let body = SwarmText.request(number, model: model, stream: stream, filler: filler)
        let request = SwarmRequest(number: number, stream: stream, body: body, now: now)
        requests.append(request)
        tally.requests += 1
        return request
    }

    /// Of several violations the first counts.
    func fail(_ text: @autoclosure () -> String) {
        guard violation == nil else { return }
        violation = text()
        note(.world, 0, "VIOLATION")
    }

    func note(
        _ actor: SwarmTrace.Actor, _ index: Int, _ what: StaticString, _ first: Int = -1, _ second: Int = -1
    ) {
        let entry = SwarmTrace.Entry(
            time: now, actor: actor, index: index, what: what, first: first, second: second)
        trace.append(entry)
        if isTalkative { print(entry.text) }
    }

    /// The last events, oldest first.
    package var lastEvents: [String] { trace.lines }

    func struck(_ fault: Fault) { tally.faults[fault.rawValue] += 1 }

    func answered(_ status: Int) { tally.statuses[status, default: 0] += 1 }
    func chunkDelivered() { tally.chunksDelivered += 1 }
    func chunkSent() { tally.chunksSent += 1 }
    func requestDelivered() { tally.dispatches += 1 }
    func pongCame() { tally.pongs += 1 }
    func sessionBegan() { tally.sessions += 1 }
    func encryptedSessionBegan() { tally.encryptedSessions += 1 }
    func keysChanged() { tally.keyChanges += 1 }
    func requestForwarded() { tally.forwards += 1 }
    func rowGiven() { tally.rows += 1 }
    func frameBroken() { tally.brokenFrames += 1 }

    // MARK: The coordinator's end

    /// It ends or has ended, and not everybody may have noticed.
    var isDraining: Bool { drain != nil || now < calmAt }
    var isDown: Bool { now < downUntil }

    func processEnds() {
        earlier.append(coordinator.metrics)
        tally.restarts += 1
        drain = nil
        lastEnd = now
        downUntil = now + .milliseconds(Int.random(in: 1...20_000, using: &random))
        calmAt = downUntil + longestWay
    }

    func replaceCoordinator() {
        coordinator = nil
        coordinator = makeCoordinator()
        coordinator.forwarder = forwarder
        queueState = (0, 0)
    }

    /// It has begun, and who works may still work.
    var drainHasTime: Bool {
        guard let drain else { return false }
        return now - drain.startedAt < drain.limit
    }

    func startDrain(limit: Duration) {
        guard drain == nil, !isDown else { return }
        struck(.drain)
        note(.operators, 0, "drain", Int(limit.inSeconds))
        drain = (now, limit, nil)
        coordinator.startDrain(limit: limit) { [unowned self] in
            note(.coordinator, 0, "drained")
            if drain?.finishedAt != nil { fail("the drain ended twice") }
            drain?.finishedAt = now
            drained()
        }
    }

    // MARK: Invariants

    /// After every turn. Only what costs a few comparisons.
    private func stepEnded() {
        guard let coordinator else { return }
        let active = coordinator.activeRequestCount
        let slots = coordinator.takenSlotCount
        if slots != active { fail("\(active) requests, but \(slots) slots taken") }
        // The pool's, the drain's, one for each request, and one for each provider whose endpoint is unreachable.
        // With a storage, the next snapshot's and one for each question that an operator waits for.
        let storeTimers = store.map { 1 + $0.openQuestionCount } ?? 0
        if !isDown, environment.timerCount > active + 2 + storeTimers + (plan.hasEndpoints ? plan.providerCount : 0) {
            fail("\(environment.timerCount) timers for \(active) requests")
        }
        if forwarder.runningCount > active {
            fail("\(forwarder.runningCount) forwarded requests run, \(active) requests are known")
        }
        let held = coordinator.heldBodyByteCount
        if held < 0 || held > settings.limits.heldBodyByteCount { fail("\(held) body bytes held") }
        let greeting = coordinator.unauthenticatedConnectionCount
        if greeting < 0 || greeting > settings.providerLink.unauthenticatedConnectionCount {
            fail("\(greeting) connections that have not greeted")
        }
        if plan.has(.tightLimits) { checkQueues() }
        // Where bounds are tight, what is over them is soon gone again.
        if environment.stepCount % (plan.has(.tightLimits) ? 8 : 128) == 0 { audit() }
    }

    /// No message to a provider is refused before as many wait as may; ``audit()`` sees that no more do.
    private func checkQueues() {
        let state = (coordinator.metrics.backpressureRefusals, coordinator.sessionCount)
        if state.0 != queueState.0, state.1 == queueState.1 {
            let bound = settings.providerLink.writer.waitingMessageCount
            let longest = coordinator.longestMessageQueue
            if longest < bound { fail("a request was refused while \(longest) messages waited, \(bound) may") }
        }
        queueState = state
    }

    private func audit() {
        if let inconsistency = coordinator.inconsistency { fail(inconsistency) }
        for provider in providers { provider.audit() }
        for buyer in buyers { buyer.audit() }
        forwarder.audit()
    }

    /// Every buyer is content; the providers are still there.
    private func checkRest() {
        guard violation == nil else { return }
        // A request cancelled at the last moment keeps its slot a little longer.
        // A buyer who vanished is noticed when he does not take his answer.
        let delay = plan.has(.buyerVanishes) || readsLittleAhead ? patience : .seconds(2)
        settle("slots are not given back", within: settings.routing.cancelTimeout + delay) {
            coordinator.activeRequestCount == 0
        }
        // Of a buyer who vanished in the middle of his request the coordinator learns by his silence.
        settle("bodies are held at rest", within: settings.timeouts.body + .seconds(plan.hasLargeRequests ? 60 : 10)) {
            coordinator.heldBodyByteCount == 0
        }
        audit()
        if let drain {
            let limit = drain.limit + settings.timeouts.linger + .seconds(1)
            settle("the drain never ended", within: limit) { self.drain?.finishedAt != nil }
            if let end = self.drain?.finishedAt, end - drain.startedAt > limit {
                fail("the drain took \((end - drain.startedAt).inSeconds) s")
            }
        }
        checkCounters()
    }

    /// What the coordinator counted against what happened.
    private func checkCounters() {
        let all = earlier + [coordinator.metrics]
        func sum(_ count: (CoordinatorMetrics) -> UInt64) -> UInt64 { all.reduce(0) { $0 + count($1) } }
        let forwards = sum { $0.requestsForwarded }
        let dispatches = sum { $0.requestsDispatched } + forwards
        let (chunks, pongs) = (sum { $0.chunksRelayed }, sum { $0.pongsSent })
        let total = sum { $0.requestsTotal }
        if dispatches < UInt64(tally.dispatches) {
            fail("\(dispatches) requests dispatched, \(tally.dispatches) received")
        }
        if forwards != UInt64(tally.forwards) {
            fail("\(forwards) requests forwarded, \(tally.forwards) received")
        }
        if chunks > UInt64(tally.chunksSent) || chunks < UInt64(tally.chunksDelivered) {
            fail(
                "\(tally.chunksSent) chunks sent, \(chunks) relayed, \(tally.chunksDelivered) delivered")
        }
        if pongs < UInt64(tally.pongs) { fail("\(pongs) PONGs sent, \(tally.pongs) came") }
        let refused = sum { $0.sealedFramesRefused }
        if refused > UInt64(tally.brokenFrames) {
            fail("\(refused) sealed frames refused, \(tally.brokenFrames) were broken")
        }
        // The last commit of a session that ended may not have been answered.
        let rekeys = sum { $0.rekeys }
        if rekeys > UInt64(tally.keyChanges) {
            fail("\(rekeys) rekeys, \(tally.keyChanges) at providers")
        }
        let concluded = sum { $0.requestsByModelAndStatus.values.reduce(0, +) }
        if concluded > total { fail("\(concluded) requests ended of \(total)") }
        if let store { checkRows(store, all) }
        guard plan.faults.isEmpty else { return }
        let underWay = providers.reduce(0) { $0 + $1.pings.count }
        if dispatches != UInt64(tally.dispatches) || total != UInt64(requests.count)
            || pongs > UInt64(tally.pongs + underWay) || chunks != UInt64(tally.chunksSent)
        {
            fail(
                "counted without faults: \(dispatches) of \(tally.dispatches) dispatches, "
                    + "\(total) of \(requests.count) requests, \(pongs) of \(tally.pongs) "
                    + "PONGs, \(chunks) of \(tally.chunksSent) chunks")
        }
    }

    /// One row for each request that ended, with what was counted.
    private func checkRows(_ store: SwarmStore, _ all: [CoordinatorMetrics]) {
        var counted: [Int: Int] = [:]
        for metrics in all {
            for (key, count) in metrics.requestsByModelAndStatus { counted[key.status, default: 0] += Int(count) }
        }
        if counted != store.givenRows { fail("rows by status: \(store.givenRows), counted: \(counted)") }
    }

    private func checkEmptiness() {
        guard violation == nil else { return }
        audit()
        if !leftovers.isEmpty { fail("left over:\(leftovers)") }
        for provider in providers { provider.forget() }
        for buyer in buyers { buyer.forget() }
        operators = nil
        forwarder = nil
        environment.removeTimers()
        if environment.connectionCount != 0 { fail("\(environment.connectionCount) connections are still in memory") }
        weak let core = coordinator
        coordinator = nil
        if core != nil { fail("the coordinator is still in memory") }
    }

    private var leftovers: String {
        var text = ""
        func add(_ count: Int, _ what: String) { if count != 0 { text += " \(count) \(what);" } }
        add(coordinator.activeRequestCount, "requests")
        add(coordinator.pool.counts.activeRequests, "slots")
        add(coordinator.heldBodyByteCount, "body bytes")
        add(coordinator.httpConnectionCount, "HTTP connections")
        add(coordinator.sessionCount, "sessions")
        add(coordinator.pool.counts.total, "pool entries")
        add(coordinator.unauthenticatedConnectionCount, "greetings")
        let planned = store == nil ? 0 : 1
        add(environment.timerCount - planned, "timers")
        add(environment.pendingEventCount - planned, "events")
        return text
    }
}
