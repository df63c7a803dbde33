package import Environment
import HTTPCodec
package import Pool
import Primitives
import ProviderProtocol
import JSON
import WebSocketCodec

/// The relay's core: joins buyers' requests to providers' sessions. Does no I/O of its own; everything it needs of the
/// world comes through its ``Environment``, and it lives on one loop.
///
///     buyer ─▶ HTTPServerConnection ─▶ BuyerAPI ─▶ Relay ─▶ ProviderSession ─▶ provider
///     buyer ◀─ HTTPServerConnection ◀───────────── Relay ◀─ ProviderSession ◀─ provider
package final class Coordinator {
    package let settings: CoordinatorSettings
    package let environment: any Environment
    package internal(set) var metrics = CoordinatorMetrics()
    package internal(set) var pool: ProviderPool
    let journal: (any CoordinatorJournal)?

    /// Set on the shard that has the providers, when buyers connect to other shards too.
    var hub: Hub?
    /// Set on a shard that has buyers only.
    var front: Front?

    /// Set by the driver; without it every provider is served through its WebSocket.
    package var forwarder: (any RequestForwarder)?

    let startedAt: MonotonicInstant
    let startedWallTime: WallTime
    let bodyLedger: BodyLedger
    let relayTimeouts: RelayMachine.Timeouts
    /// One parser per direction: a buyer's document must outlive what a provider says meanwhile.
    let buyerParser = JSONParser()
    let providerParser = JSONParser()
    /// For the frames of encrypted sessions.
    let legWorkspace = LegWorkspace()
    let attestation: any AttestationVerifier
    /// Sessions that get new keys, and requests that nobody else can take.
    var rekeyingSessions: [ProviderSession] = []
    var waitingRequests: [WaitingRequest] = []
    var requests = RequestTable()
    var tokens: TokenTable

    /// By the slot of their handle.
    private var sessions: [ProviderSession?] = []
    /// Upgraded, and not registered yet.
    private var greetings: [ObjectIdentifier: ProviderSession] = [:]
    private var httpConnections: [UInt64: HTTPServerConnection] = [:]
    private var lastConnectionNumber: UInt64 = 0
    private var poolTimer: (id: TimerID, deadline: MonotonicInstant)?
    private var drain = DrainState.serving
    private var cachedDate: HTTPDate?

    /// - Parameters:
    ///   - records: what earlier runs decided about provider ids.
    ///   - tokens: the provider tokens that are valid.
    ///   - link: on a front, what it shares with the hub.
    package init(
        settings: CoordinatorSettings, environment: any Environment, records: AdmissionRecords = AdmissionRecords(),
        tokens: [TokenRecord] = [], journal: (any CoordinatorJournal)? = nil, link: FrontLink? = nil
    ) {
        self.settings = settings
        self.environment = environment
        self.journal = journal
        self.tokens = TokenTable(tokens)
        pool = ProviderPool(settings: settings.pool, records: records)
        attestation = NoAttestation(isRequired: settings.tier2.requiresAttestation)
        startedAt = environment.now
        startedWallTime = environment.wallTime
        bodyLedger = link?.bodies ?? BodyLedger(limit: settings.limits.heldBodyByteCount)
        relayTimeouts = RelayMachine.Timeouts(
            preflight: settings.routing.preflightTimeout, silence: settings.routing.requestTimeout,
            gap: settings.routing.gapTimeout,
            cancel: settings.routing.cancelTimeout)
        armSnapshotTimer()
    }

    // MARK: Connections

    /// Takes buyers' connections. Made anew each time: an acceptor belongs to a listener, and keeps the coordinator.
    package var buyerAcceptor: any ConnectionAcceptor {
        Acceptor(coordinator: self, service: BuyerAPI(coordinator: self))
    }

    /// Takes providers' and operators' connections.
    package var providerAcceptor: any ConnectionAcceptor {
        Acceptor(coordinator: self, service: ProviderAPI(coordinator: self))
    }

    private final class Acceptor: ConnectionAcceptor {
        private let coordinator: Coordinator
        private let service: any HTTPService

        init(coordinator: Coordinator, service: any HTTPService) {
            self.coordinator = coordinator
            self.service = service
        }

        func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {
            coordinator.accept(connection, writeHalf: writeHalf, service: service)
        }
    }

    private func accept(_ connection: any Connection, writeHalf: consuming WriteHalf, service: any HTTPService) {
        lastConnectionNumber += 1
        let handler = HTTPServerConnection(
            connection: connection, writeHalf: writeHalf, service: service, coordinator: self,
            number: lastConnectionNumber)
        httpConnections[lastConnectionNumber] = handler
        connection.handler = handler
    }

    func httpConnectionEnded(_ connection: HTTPServerConnection) {
        httpConnections[connection.acceptedNumber] = nil
        drainProgressed()
    }

    package var httpConnectionCount: Int { httpConnections.count }

    /// `Date` for response heads, rendered once a second.
    var httpDate: HTTPDate {
        let time = environment.wallTime
        if let cachedDate, cachedDate.isCurrent(at: time) { return cachedDate }
        let fresh = HTTPDate(time)
        cachedDate = fresh
        return fresh
    }

    // MARK: Sessions

    var mayGreet: Bool { greetings.count < settings.providerLink.unauthenticatedConnectionCount }

    func greetingBegan(_ session: ProviderSession) { greetings[ObjectIdentifier(session)] = session }
    func greetingEnded(_ session: ProviderSession) { greetings[ObjectIdentifier(session)] = nil }

    /// Upgraded connections that have not registered yet.
    package var unauthenticatedConnectionCount: Int { greetings.count }

    @inline(__always)
    func session(_ handle: EntryHandle) -> ProviderSession? {
        guard handle.slot < sessions.count, let session = sessions[handle.slot], session.handle == handle else {
            return nil
        }
        return session
    }

    package private(set) var sessionCount = 0
    /// Upgraded connections that have not ended yet, whatever their session's state.
    private var webSocketCount = 0

    func webSocketOpened() { webSocketCount += 1 }

    func webSocketEnded() {
        webSocketCount -= 1
        drainProgressed()
    }

    var liveSessions: [ProviderSession] { sessions.compactMap { $0 } }

    func admit(_ profile: ProviderProfile, session: ProviderSession) throws(SessionRefusal) -> Admission {
        switch pool.admit(profile, sessionID: session.id, now: environment.now, wallTime: environment.wallTime) {
        case .success(let admission):
            if let replaced = admission.replaced { sessions[replaced.handle.slot]?.replace() }
            if admission.ignoresEndpointURL {
                log(.warn, "endpoint_url_ignored", [("provider_id", .string(profile.providerID))])
            }
            return admission
        case .failure(let refusal): throw SessionRefusal(refusal)
        }
    }

    /// Whether ``admit(_:session:)`` would let this provider in; takes nothing.
    func checkAdmission(of providerID: String) throws(SessionRefusal) {
        if let refusal = pool.admissionRefusal(of: providerID, now: environment.now) { throw SessionRefusal(refusal) }
    }

    func sessionBegan(_ session: ProviderSession, _ handle: EntryHandle) {
        greetingEnded(session)
        while sessions.count <= handle.slot { sessions.append(nil) }
        sessions[handle.slot] = session
        sessionCount += 1
        recordSighting(of: handle)
        armPoolTimer()
    }

    func sessionEnded(_ session: ProviderSession, _ handle: EntryHandle) {
        guard handle.slot < sessions.count, sessions[handle.slot] === session else { return }
        sessions[handle.slot] = nil
        sessionCount -= 1
        recordSighting(of: handle)
        perform(pool.disconnected(handle, now: environment.now))
        rekeyEnded(of: session)
        drainProgressed()
    }

    func checkBinaryVersion(_ version: String) throws(SessionRefusal) {
        guard let required = settings.versions.requiredBinary, BinaryVersion(version) < BinaryVersion(required) else {
            return
        }
        throw .binaryVersionUnsupported(version: version, required: required)
    }

    func helloAck(assignedID: UniqueID, tier: String) -> HelloAck {
        HelloAck(
            assignedID: assignedID.text, heartbeatIntervalSeconds: settings.pool.heartbeatInterval.inSeconds,
            tier: tier,
            recommendedBinaryVersion: settings.versions.recommendedBinary,
            requiredBinaryVersion: settings.versions.requiredBinary)
    }

    /// A token binds its bearer to one provider name.
    func checkToken(owner: String?, providerID: String) throws(SessionRefusal) {
        if let owner, owner != providerID { throw .invalidToken }
    }

    // MARK: Pool

    /// The pool has one timer: it moves earlier at once, and later when it fires.
    func armPoolTimer() {
        guard let deadline = pool.nextDeadline else { return }
        if let armed = poolTimer {
            if armed.deadline <= deadline { return }
            environment.cancel(armed.id)
        }
        let id = environment.schedule(at: deadline) { [unowned self] in
            poolTimer = nil
            perform(pool.deadlineReached(now: environment.now))
        }
        poolTimer = (id, deadline)
    }

    // MARK: Requests

    package var activeRequestCount: Int { requests.count }
    package var heldBodyByteCount: Int { bodyLedger.heldByteCount }

    func requestConcluded(_ request: Relay, status: Int, error: String?) {
        record(request, status: status, error: error)
        let elapsed = environment.now - request.receivedAt
        metrics.countRequest(model: request.session.modelName, status: status)
        metrics.requestDuration.observe(elapsed)
        log(
            .info, "request_finished",
            [
                ("request_id", .string(request.id.text)), ("model", .string(request.chat.model)),
                ("provider_id", .string(request.session.providerID)), ("status", .int(status)),
                ("stream", .bool(request.chat.stream)), ("duration_ms", .int(Int(elapsed.inMilliseconds))),
            ])
    }

    /// A request that was understood and that nobody could take.
    func requestRefused(_ error: APIError, _ chat: ChatRequest, _ id: RequestID) {
        // A buyer may ask for any name; only those that a provider has brought make a label.
        let model = withByteView(chat.model) { pool.announcedName(of: $0) } ?? "unknown"
        metrics.countRequest(model: model, status: error.status)
        log(
            .info, "request_refused",
            [
                ("request_id", .string(id.text)), ("model", .string(chat.model)), ("status", .int(error.status)),
                ("code", .string(error.code)),
            ])
    }

    // MARK: Shutdown

    private enum DrainState {
        case serving
        /// No new work; `finished` is called when the last connection has closed, or at the deadline.
        case draining(finished: () -> Void, timer: TimerID)
        /// The time is over, or nothing is left: Closes are on their way.
        case closing(finished: () -> Void, timer: TimerID)
        case over
    }

    package var isDraining: Bool {
        if case .serving = drain { return false }
        return true
    }

    /// Ends service in good order (docs/protocol.md, section 13): providers hear `drain`, requests in flight finish
    /// within `limit`, what is left then fails, and every WebSocket is closed with 1001. `finished` is called once.
    package func startDrain(limit: Duration, finished: @escaping () -> Void) {
        guard case .serving = drain else { return }
        logDrain(.info, "drain_started", [("limit_s", .int(Int(limit.inSeconds)))])
        let timer = environment.schedule(at: environment.now + limit) { [unowned self] in drainTimedOut() }
        drain = .draining(finished: finished, timer: timer)
        for session in liveSessions { session.sendDrain() }
        for connection in httpConnections.values { connection.drainStarted() }
        drainProgressed()
    }

    /// Once for all shards: the hub has all requests.
    private func logDrain(
        _ level: LogRecord.Level, _ event: StaticString, _ fields: LogRecord.Fields = []
    ) {
        if front == nil { log(level, event, [("requests_active", .int(requests.count))] + fields) }
    }

    private func drainTimedOut() {
        guard case .draining(let finished, _) = drain else { return }
        logDrain(.warn, "drain_timed_out")
        for request in requests.all { request.shutDown() }
        closeSessions(finished)
    }

    /// The last request has been answered: close the sessions, then wait for what is left to leave.
    func drainProgressed() {
        switch drain {
        case .draining(let finished, let timer):
            guard !httpConnections.values.contains(where: \.isBusy), hub?.openExchangeCount ?? 0 == 0 else { return }
            environment.cancel(timer)
            closeSessions(finished)
        case .closing(let finished, let timer):
            guard webSocketCount == 0, httpConnections.isEmpty else { return }
            environment.cancel(timer)
            drain = .over
            finished()
        case .serving, .over: break
        }
    }

    private func closeSessions(_ finished: @escaping () -> Void) {
        let timer = environment.schedule(at: environment.now + settings.timeouts.linger + .seconds(1)) {
            [unowned self] in
            guard case .closing(let finished, _) = drain else { return }
            drain = .over
            finished()
        }
        drain = .closing(finished: finished, timer: timer)
        for session in liveSessions + greetings.values { session.close(.goingAway, "shutting down") }
        drainProgressed()
    }

    // MARK: Log

    func log(
        _ level: LogRecord.Level, _ event: StaticString,
        _ fields: @autoclosure () -> LogRecord.Fields
    ) {
        environment.log(level, event, fields)
    }
}
