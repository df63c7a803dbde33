import Coordinator
import Crypto
import JSON
import Pool
import Primitives

/// Where the storage stands: a queue before a disk that is slow, full, failing or not there. The disk outlives the
/// coordinator; the queue does not.
final class SwarmStore: CoordinatorJournal, SimulatedActor {
    private enum Fact {
        case seen(String), promoted(String), rejected(String), token(Int64), snapshot
    }

    private unowned let swarm: Swarm
    private var random: SeededRandom
    private let queueLimit: Int
    private var rows: [Int] = []
    private var facts: [Fact] = []
    private var timer: TimerID?
    private var currentHealth = JournalHealth()
    /// False from the end of one coordinator to the beginning of the next: what a dying one says is lost.
    private(set) var isHeard = true

    /// On the disk.
    private(set) var records = AdmissionRecords()
    private(set) var tokens: [TokenRecord]
    /// What the coordinator has been told of the tokens, and since when.
    private(set) var knownTokens: Set<Int64> = []
    private(set) var tokensChangedAt = MonotonicInstant.zero
    private(set) var tokenUses: [Int64: Int] = [:]
    /// Read by the coordinator, and not decided otherwise since.
    private(set) var knownRejected: Set<String> = []
    /// Rows that it was given, by status.
    private(set) var givenRows: [Int: Int] = [:]

    /// Questions that have not been answered, and when each was asked.
    private var openQuestions: [Int: ([ProvisionalRecord]?) -> Void] = [:]
    private var askedAt: [MonotonicInstant] = []

    init(swarm: Swarm) {
        self.swarm = swarm
        var random = swarm.plan.random(for: 6_000)
        queueLimit = swarm.plan.has(.storeFull) ? Int.random(in: 0...5, using: &random) : 10_000
        self.random = random
        tokens = (0..<swarm.plan.providerCount).map { index in
            TokenRecord(
                id: Int64(index), digest: withByteView(Self.token(of: index)) { SHA256.digest(of: $0) },
                providerName: "p\(index)")
        }
    }

    static func token(of provider: Int) -> String { String(repeating: "0\(provider)", count: 32) }

    private func strikes(_ fault: Fault, _ share: Double) -> Bool {
        guard swarm.plan.has(fault), !swarm.isResting, random.chance(share) else { return false }
        swarm.struck(fault)
        swarm.note(.world, 0, "storage fault", fault.rawValue)
        return true
    }

    var health: JournalHealth {
        var health = currentHealth
        health.queuedCount = rows.count + facts.count
        return health
    }

    var openQuestionCount: Int { openQuestions.count }

    // MARK: What it is told

    func requestFinished(_ record: RequestRecord) {
        guard isHeard else { return }
        givenRows[record.status, default: 0] += 1
        swarm.rowGiven()
        if rows.count < queueLimit {
            rows.append(record.status)
            schedule()
        } else {
            currentHealth.droppedCount += 1
            swarm.struck(.storeFull)
        }
    }

    func providerSeen(_ sighting: ProviderSighting) { add(.seen(sighting.providerID)) }

    func providerPromoted(_ providerID: String, at time: WallTime) {
        knownRejected.remove(providerID)
        add(.promoted(providerID))
    }

    func providerRejected(_ providerID: String, reason: String?, at time: WallTime) { add(.rejected(providerID)) }

    func tokenUsed(_ id: Int64, at time: WallTime) {
        tokenUses[id, default: 0] += 1
        add(.token(id))
    }

    func poolSnapshot(_ json: [UInt8], at time: WallTime) {
        let isReadable = withByteView(json) { (try? swarm.parser.parse(copying: $0)) != nil }
        if !isReadable { swarm.fail("a snapshot of the pool is not JSON") }
        add(.snapshot)
    }

    private func add(_ fact: Fact) {
        guard isHeard else { return }
        facts.append(fact)
        schedule()
    }

    // MARK: Writing

    private func schedule(after delay: Duration = .seconds(1)) {
        guard timer == nil else { return }
        timer = swarm.environment.schedule(self, at: swarm.now + delay)
    }

    func act() {
        timer = nil
        if strikes(.storeFails, 0.5) {
            currentHealth.errorCount += 1
            currentHealth.status = .degraded(reason: "locked")
            return schedule(after: .seconds(Int.random(in: 1...30, using: &random)))
        }
        currentHealth.status = .ok
        if strikes(.storeSlow, 0.7) {
            write(rowCount: 1, factCount: 1)
            if health.queuedCount > 0 { schedule(after: .seconds(Int.random(in: 1...10, using: &random))) }
        } else {
            write(rowCount: rows.count, factCount: facts.count)
        }
    }

    private func write(rowCount: Int, factCount: Int) {
        let written = (min(rowCount, rows.count), min(factCount, facts.count))
        rows.removeFirst(written.0)
        for fact in facts.prefix(written.1) { keep(fact) }
        facts.removeFirst(written.1)
        currentHealth.writtenCount += UInt64(written.0 + written.1)
    }

    private func keep(_ fact: Fact) {
        switch fact {
        case .seen(let id): records.provisional.insert(id)
        case .promoted(let id):
            records.rejected.remove(id)
            records.promoted.insert(id)
        case .rejected(let id):
            records.promoted.remove(id)
            records.rejected.insert(id)
        case .token, .snapshot: break
        }
    }

    // MARK: Questions

    func listProvisional(_ completion: @escaping ([ProvisionalRecord]?) -> Void) {
        let number = askedAt.count
        askedAt.append(swarm.now)
        openQuestions[number] = completion
        if strikes(.storeFails, 0.3) { return answer(number, isReadable: false) }
        if strikes(.storeSilent, 0.5) { return }
        let most = strikes(.storeSlow, 0.8) ? 25_000 : 50
        let isReadable = !strikes(.storeFails, 0.3)
        _ = swarm.environment.soon(
            after: .milliseconds(Int.random(in: 1...most, using: &random)),
            .action { [weak self] in self?.answer(number, isReadable: isReadable) })
    }

    private func answer(_ number: Int, isReadable: Bool) {
        guard let completion = openQuestions.removeValue(forKey: number) else { return }
        guard isReadable else { return completion(nil) }
        completion([
            ProvisionalRecord(
                providerID: "question-\(number)", hostname: nil, modelID: nil, binaryVersion: nil, firstSeenAt: "",
                lastSeenAt: "")
        ])
    }

    /// What an answer to an operator says must belong to a question that still counts.
    func checkListing(_ body: ByteView, limit: Duration) {
        let mark: StaticString = "question-"
        var place = 0
        while place < body.count, !body.dropFirst(place).hasPrefix(mark) { place += 1 }
        let number = SwarmText.number(in: body, at: place + mark.utf8CodeUnitCount).value
        guard let number, number < askedAt.count else {
            return swarm.fail("a listing shows what the storage never said: \(body.prefix(60).string)")
        }
        if swarm.now - askedAt[number] > limit { swarm.fail("question \(number) was answered after it was given up") }
    }

    // MARK: Beginning and end

    /// Whether a coordinator that begins now can read the disk.
    func opens() -> Bool {
        isHeard = true
        currentHealth = JournalHealth()
        let isReadable = !strikes(.storeUnreadable, 0.7)
        knownRejected = isReadable ? records.rejected : []
        knownTokens = isReadable ? Set(tokens.map(\.id)) : []
        tokensChangedAt = swarm.now
        if !isReadable { currentHealth.status = .degraded(reason: "locked") }
        return isReadable
    }

    /// It can be read at last.
    func loaded(by coordinator: Coordinator) {
        currentHealth.status = .ok
        knownTokens = Set(tokens.map(\.id))
        tokensChangedAt = swarm.now
        coordinator.tokensChanged(tokens)
        coordinator.recordsLoaded(records)
        for id in records.rejected where coordinator.pool.standing(of: id) == .rejected { knownRejected.insert(id) }
        for id in records.rejected where coordinator.pool.standing(of: id) != .rejected && !isDecidedAnew(id) {
            swarm.fail("\(id) is rejected on record, and \(coordinator.pool.standing(of: id)) to the coordinator")
        }
    }

    /// An operator has promoted it meanwhile.
    private func isDecidedAnew(_ id: String) -> Bool {
        facts.contains { if case .promoted(id) = $0 { true } else { false } }
    }

    func revoke(_ id: Int64, by coordinator: Coordinator) {
        tokens.removeAll { $0.id == id }
        knownTokens.remove(id)
        tokensChangedAt = swarm.now
        coordinator.tokensChanged(tokens)
    }

    /// The coordinator ends; in good order what waits is written, in a crash it is lost.
    func stop(inOrder: Bool) {
        if inOrder { write(rowCount: rows.count, factCount: facts.count) }
        isHeard = false
        rows = []
        facts = []
        openQuestions = [:]
        if let timer { swarm.environment.cancel(timer) }
        timer = nil
    }
}
