import Environment
import HTTPCodec
import Primitives

/// The hub's side of the door between shards. Providers, pool and relays live on one shard, the hub; further shards,
/// the fronts, take buyers' connections and ask here.
///
///     front                              hub
///     HTTP, TLS, validation ──ask──▶ RemoteExchange ─▶ Relay ─▶ ProviderSession
///     HTTP, TLS             ◀─batch─ RemoteExchange ◀─ Relay      (one batch per front and turn)
package final class Hub {
    private unowned let coordinator: Coordinator
    /// Hands a batch to a front's loop. Never blocks.
    private let send: (_ front: Int, _ batch: HubBatch) -> Void
    private var exchanges: [ExchangeID: RemoteExchange] = [:]
    private var outboxes: [Outbox]
    /// One for each front, which is made with it.
    package let links: [FrontLink]
    private var sendIsScheduled = false
    private(set) lazy var survey = FrontSurvey(coordinator: coordinator, frontCount: links.count) {
        [unowned self] front in add(to: front) { $0.messages.append(.count) }
    }

    package init(
        coordinator: Coordinator, frontCount: Int, send: @escaping (_ front: Int, _ batch: HubBatch) -> Void
    ) {
        self.coordinator = coordinator
        self.send = send
        outboxes = Array(repeating: Outbox(), count: frontCount)
        links = (0..<frontCount).map { FrontLink(index: $0, bodies: coordinator.bodyLedger) }
        coordinator.hub = self
    }

    /// Exchanges whose answer is not complete.
    package var openExchangeCount: Int { exchanges.count }

    package func received(_ message: FrontMessage) {
        switch message {
        case .ask(let id, let question):
            let exchange = RemoteExchange(id, hub: self, buyerHost: question.buyerHost)
            exchanges[id] = exchange
            answer(question, exchange)
        case .abandon(let id):
            exchanges.removeValue(forKey: id)?.abandoned()
            coordinator.drainProgressed()
        case .cutSlowBuyer(let id):
            // The relay counts it, unless it had all of the answer before the front noticed.
            if exchanges.removeValue(forKey: id)?.cutAsSlow() != true { coordinator.metrics.slowBuyersDropped += 1 }
            coordinator.drainProgressed()
        case .counts(let front, let counts): survey.answered(front, counts)
        }
    }

    private func answer(_ question: FrontMessage.Question, _ exchange: RemoteExchange) {
        switch question {
        case .complete(let chat, let wish, _, let body):
            coordinator.complete(chat, wish, body: HeldBody(body), exchange: exchange)
        case .models: coordinator.respondWithModels(exchange)
        case .health(let check): coordinator.respond(to: check, exchange)
        }
    }

    // MARK: From the exchanges

    /// Whether the front may be sent `byteCount` more; false while it is too far behind.
    @inline(__always)
    func hasRoom(for byteCount: Int, to front: Int) -> Bool {
        let limit = coordinator.settings.limits.frontBacklogByteCount
        if outboxes[front].knownBacklog + byteCount <= limit { return true }
        outboxes[front].learn(from: links[front])
        if outboxes[front].knownBacklog + byteCount <= limit { return true }
        coordinator.metrics.frontBacklogDrops += 1
        return false
    }

    /// Bytes that the fronts have not taken yet.
    var backlogByteCount: Int {
        for front in outboxes.indices { outboxes[front].learn(from: links[front]) }
        return outboxes.reduce(0) { $0 + $1.knownBacklog }
    }

    @inline(__always)
    func add(to front: Int, _ body: (inout HubBatch) -> Void) {
        body(&outboxes[front].batch)
        guard !sendIsScheduled else { return }
        sendIsScheduled = true
        _ = coordinator.environment.schedule(at: coordinator.environment.now) { [unowned self] in sendBatches() }
    }

    func finished(_ id: ExchangeID) {
        exchanges[id] = nil
        coordinator.drainProgressed()
    }

    private func sendBatches() {
        sendIsScheduled = false
        for front in outboxes.indices where !outboxes[front].batch.messages.isEmpty {
            send(front, outboxes[front].takeBatch())
        }
    }

    /// What goes to one front.
    private struct Outbox {
        var batch = HubBatch()
        /// Of batches that were sent and, when last looked, not taken.
        private var sentByteCount = 0
        private var takenByteCount = 0

        /// No less than what is on its way.
        var knownBacklog: Int { sentByteCount &- takenByteCount + batch.byteCount }

        mutating func learn(from link: FrontLink) { takenByteCount = link.takenByteCount }

        mutating func takeBatch() -> HubBatch {
            sentByteCount &+= batch.byteCount
            var taken = HubBatch()
            swap(&taken, &batch)
            return taken
        }
    }
}

extension FrontMessage.Question {
    fileprivate var buyerHost: String {
        if case .complete(_, _, let host, _) = self { return host }
        return ""
    }
}
