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
    private var batches: [HubBatch]
    /// One for each front, which is made with it.
    package let links: [FrontLink]
    private var sendIsScheduled = false

    package init(
        coordinator: Coordinator, frontCount: Int, send: @escaping (_ front: Int, _ batch: HubBatch) -> Void
    ) {
        self.coordinator = coordinator
        self.send = send
        batches = Array(repeating: HubBatch(), count: frontCount)
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
        case .abandon(let id), .cutSlowBuyer(let id):
            if case .cutSlowBuyer = message { coordinator.metrics.slowBuyersDropped += 1 }
            guard let exchange = exchanges.removeValue(forKey: id) else { return }
            exchange.abandoned()
            coordinator.drainProgressed()
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

    @inline(__always)
    func add(to front: Int, _ body: (inout HubBatch) -> Void) {
        body(&batches[front])
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
        for front in batches.indices where !batches[front].messages.isEmpty {
            var batch = HubBatch()
            swap(&batch, &batches[front])
            send(front, batch)
        }
    }
}

extension FrontMessage.Question {
    fileprivate var buyerHost: String {
        if case .complete(_, _, let host, _) = self { return host }
        return ""
    }
}
