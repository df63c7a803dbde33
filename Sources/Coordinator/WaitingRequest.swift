import Pool
import Primitives

/// A request that waits for a session to get its new keys, since nobody else would do.
final class WaitingRequest: ExchangeOwner {
    let chat: ChatRequest
    let wish: RouteWish
    let exchange: any Exchange
    private var body: HeldBody?
    private let coordinator: Coordinator

    init(
        _ chat: ChatRequest, _ wish: RouteWish, body: consuming HeldBody, exchange: any Exchange,
        coordinator: Coordinator
    ) {
        self.chat = chat
        self.wish = wish
        self.body = consume body
        self.exchange = exchange
        self.coordinator = coordinator
        exchange.owner = self
    }

    /// Ends the waiting; nil if it was over already.
    func takeBody() -> HeldBody? {
        exchange.owner = nil
        return body.take()
    }

    func exchangeAbandoned() {
        _ = body.take()
        coordinator.waitingRequests.removeAll { $0 === self }
    }
}

/// Holding requests back while a session gets new keys (docs/protocol.md, section 4, "Rekey").
extension Coordinator {
    /// The session finishes what it has, and is given nothing new.
    func dispatchSuspended(for session: ProviderSession, _ handle: EntryHandle) {
        pool.setDispatchSuspended(handle, true)
        rekeyingSessions.append(session)
    }

    func dispatchResumed(for session: ProviderSession, _ handle: EntryHandle) {
        pool.setDispatchSuspended(handle, false)
        rekeyEnded(of: session)
    }

    /// The session serves again, or is gone: those who waited are routed anew.
    func rekeyEnded(of session: ProviderSession) {
        guard let index = rekeyingSessions.firstIndex(where: { $0 === session }) else { return }
        rekeyingSessions.remove(at: index)
        let waiting = waitingRequests
        waitingRequests = []
        for request in waiting {
            guard let body = request.takeBody() else { continue }
            start(request.chat, request.wish, body: body, exchange: request.exchange)
        }
    }

    /// Whether a request that nobody can take now may wait.
    func mayWaitForRekey(_ chat: ChatRequest, _ wish: RouteWish) -> Bool {
        guard !rekeyingSessions.isEmpty else { return false }
        var limit = 0
        for session in rekeyingSessions {
            guard let handle = session.handle, let entry = pool[handle], entry.state == .ready,
                entry.profile.maxContextTokens >= chat.estimatedTokens, wish.accepts(entry),
                withByteView(
                    entry.profile.modelID,
                    { offered in
                        withByteView(chat.model) { $0.equalsIgnoringCase(offered) }
                    })
            else { continue }
            limit += min(max(2 * entry.profile.maxConcurrency, 8), 64)
        }
        return waitingRequests.count < limit
    }
}

extension RouteWish {
    fileprivate func accepts(_ entry: PoolEntry) -> Bool {
        switch target {
        case .any: true
        case .session(let id): id == entry.sessionID
        case .provider(let name): name == entry.profile.providerID
        }
    }
}
