import Coordinator
import Primitives

/// Between the loop, which only puts things here, and the store's thread, which takes them.
struct StoreInbox: Sendable {
    private(set) var requests: [RequestRecord] = []
    private(set) var facts = PendingFacts()
    /// Who asked for the list of provisional providers; the answers go out as notices.
    private(set) var questions: [UInt64] = []
    /// Taken by the thread, neither written nor given up yet.
    private var inHand = (requests: 0, facts: 0)
    /// Calls to synchronize, and how many of them have been answered.
    private var synchronizationCount: UInt64 = 0
    private(set) var finishedSynchronizationCount: UInt64 = 0
    private(set) var isStopping = false
    private var counters = JournalHealth()

    private static let questionLimit = 64

    // MARK: For the loop

    /// Drops and counts the record when the queue is full.
    mutating func add(_ record: RequestRecord, limit: Int) {
        if requests.count + inHand.requests < limit && !isStopping {
            requests.append(record)
        } else {
            counters.droppedCount &+= 1
        }
    }

    mutating func add(_ change: (inout PendingFacts) -> Void) { change(&facts) }

    /// False when too many wait already.
    mutating func ask(_ question: UInt64) -> Bool {
        guard questions.count < Self.questionLimit, !isStopping else { return false }
        questions.append(question)
        return true
    }

    mutating func requestSynchronization() -> UInt64 {
        synchronizationCount += 1
        return synchronizationCount
    }

    mutating func requestStop() { isStopping = true }

    var health: JournalHealth {
        var health = counters
        health.queuedCount = requests.count + inHand.requests + facts.count + inHand.facts
        return health
    }

    // MARK: For the thread

    struct Work {
        var questions: [UInt64] = []
        var synchronizationCount: UInt64 = 0
        var isStopping = false
    }

    /// What cannot wait for the next tick. A full batch can while writing fails.
    mutating func takeUrgentWork(batchCount: Int, isFailing: Bool) -> Work? {
        let isUrgent =
            isStopping || !questions.isEmpty || synchronizationCount > finishedSynchronizationCount
            || (!isFailing && requests.count >= batchCount)
        return isUrgent ? takeWork() : nil
    }

    mutating func takeWork() -> Work {
        defer { questions.removeAll() }
        return Work(questions: questions, synchronizationCount: synchronizationCount, isStopping: isStopping)
    }

    mutating func takeRequests() -> [RequestRecord] {
        defer { requests = [] }
        inHand.requests = requests.count
        return requests
    }

    /// - Parameter earlier: facts that the thread has in hand still.
    mutating func takeFacts(joining earlier: PendingFacts) -> PendingFacts {
        var taken = facts
        facts = PendingFacts()
        taken.putBack(earlier)
        inHand.facts = taken.count
        return taken
    }

    mutating func written(requests: Int, facts: Int) {
        inHand.requests -= requests
        inHand.facts -= facts
        counters.writtenCount &+= UInt64(requests + facts)
    }

    /// At the end: what is left is lost.
    mutating func giveUp() -> Int {
        let count = health.queuedCount
        counters.droppedCount &+= UInt64(count)
        requests = []
        facts = PendingFacts()
        inHand = (0, 0)
        return count
    }

    mutating func failed() { counters.errorCount &+= 1 }

    mutating func statusChanged(to status: JournalHealth.Status) { counters.status = status }

    mutating func synchronized(_ count: UInt64) { finishedSynchronizationCount = count }
}
