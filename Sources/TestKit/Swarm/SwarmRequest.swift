import Primitives

/// What is true of one buyer's request, whoever knows it: what was asked, what providers answered, what was delivered.
final class SwarmRequest {
    let number: Int
    let stream: Bool
    let body: [UInt8]
    /// When something last happened that the coordinator's patience counts from.
    var progressAt: MonotonicInstant
    var attempts: [SwarmAttempt] = []
    /// The buyer has its answer, or has gone.
    var isOver = false
    /// Its buyer does not read, and may be cut for that without noticing.
    var isUnread = false
    /// Set when the buyer left in a way that the coordinator can see.
    var leftAt: MonotonicInstant?

    init(number: Int, stream: Bool, body: [UInt8], now: MonotonicInstant) {
        self.number = number
        self.stream = stream
        self.body = body
        progressAt = now
    }
}

/// One provider's work on one request.
final class SwarmAttempt {
    enum End { case complete, cancelled, failed }

    unowned let request: SwarmRequest
    let number: Int
    let provider: Int
    /// As the coordinator named it: `req-…`.
    let id: [UInt8]
    let receivedAt: MonotonicInstant
    /// How often its session had changed keys before.
    var generation = 0
    /// Chunks with the numbers 0..<count were sent, in whatever order.
    private(set) var contiguousCount = 0
    private var ahead: [Int] = []
    private(set) var sentCount = 0
    /// Since when a later chunk waits for a missing one.
    private(set) var gapSince: MonotonicInstant?
    /// The chunk that was `[DONE]`.
    var doneAt: Int?
    private(set) var end: End?
    /// What an endpoint answered in place of an answer.
    var status = 200
    /// What a buyer must have got of it when it ended well.
    private(set) var countAtEnd = 0
    private(set) var hadGapAtEnd = false
    var cancelledAt: MonotonicInstant?
    /// The connection has gone, and what was on its way there perhaps with it.
    var isLost = false

    init(request: SwarmRequest, number: Int, provider: Int, id: [UInt8], now: MonotonicInstant) {
        self.request = request
        self.number = number
        self.provider = provider
        self.id = id
        receivedAt = now
    }

    /// The chunk with this number has been handed to the connection.
    func sent(_ seq: Int, now: MonotonicInstant) {
        sentCount += 1
        guard end == nil else { return }
        request.progressAt = now
        if seq == contiguousCount {
            contiguousCount += 1
            while let place = ahead.firstIndex(of: contiguousCount) {
                ahead.remove(at: place)
                contiguousCount += 1
                gapSince = now
            }
            if ahead.isEmpty { gapSince = nil }
        } else if seq > contiguousCount {
            ahead.append(seq)
            if gapSince == nil { gapSince = now }
        }
    }

    func ended(_ end: End) {
        guard self.end == nil else { return }
        self.end = end
        countAtEnd = contiguousCount
        hadGapAtEnd = !ahead.isEmpty
    }
}
