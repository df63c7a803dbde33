import HTTPCodec
import Primitives

/// A front's side of the door between shards: asks the hub on behalf of buyers whose connections live here, and passes
/// on what it answers.
package final class Front {
    private unowned let coordinator: Coordinator
    private let link: FrontLink
    /// Hands a message to the hub's loop. Never blocks.
    private let send: (FrontMessage) -> Void
    private var exchanges: [UInt64: Waiting] = [:]
    private var lastNumber: UInt64 = 0

    /// - Parameter link: the hub's, for this front; the coordinator was made with it too.
    package init(coordinator: Coordinator, link: FrontLink, send: @escaping (FrontMessage) -> Void) {
        self.coordinator = coordinator
        self.link = link
        self.send = send
        coordinator.front = self
    }

    /// Tells the hub that it may send something. To be called once, when whoever passes its batches on is in place.
    package func begin() { send(.counts(front: link.index, coordinator.frontCounts)) }

    /// Exchanges whose answer is not complete.
    package var openExchangeCount: Int { exchanges.count }

    func ask(_ question: FrontMessage.Question, _ exchange: any Exchange) {
        lastNumber += 1
        let waiting = Waiting(number: lastNumber, exchange: exchange, front: self)
        exchanges[lastNumber] = waiting
        exchange.owner = waiting
        send(.ask(id(lastNumber), question))
    }

    package func received(_ batch: HubBatch) {
        defer { link.took(batch.byteCount) }
        withByteView(batch.bytes) { bytes in
            for message in batch.messages { received(message, bytes) }
        }
    }

    private func received(_ message: HubBatch.Message, _ bytes: ByteView) {
        switch message {
        case .chunk(let number, let range):
            guard let exchange = exchanges[number]?.exchange else { return }
            exchange.stream(bytes[range])
            if exchange.waitingByteCount > coordinator.settings.limits.bufferedByteCountPerRequest {
                exchanges[number] = nil
                exchange.owner = nil
                exchange.abort()
                send(.cutSlowBuyer(id(number)))
            }
        case .begin(let number, let status, let fields):
            exchanges[number]?.exchange.beginStream(status: status, fields: fields)
        case .end(let number): take(number)?.endStream()
        case .respond(let number, let status, let fields, let range):
            take(number)?.respond(status: status, fields: fields, body: bytes[range])
        case .fail(let number, let error): take(number)?.respond(with: error)
        case .abort(let number): take(number)?.abort()
        case .count: send(.counts(front: link.index, coordinator.frontCounts))
        }
    }

    private func take(_ number: UInt64) -> (any Exchange)? {
        guard let waiting = exchanges.removeValue(forKey: number) else { return nil }
        waiting.exchange.owner = nil
        return waiting.exchange
    }

    private func abandoned(_ number: UInt64) {
        guard exchanges.removeValue(forKey: number) != nil else { return }
        send(.abandon(id(number)))
    }

    private func id(_ number: UInt64) -> ExchangeID { ExchangeID(front: link.index, number: number) }

    private final class Waiting: ExchangeOwner {
        let number: UInt64
        let exchange: any Exchange
        private unowned let front: Front

        init(number: UInt64, exchange: any Exchange, front: Front) {
            self.number = number
            self.exchange = exchange
            self.front = front
        }

        func exchangeAbandoned() { front.abandoned(number) }
    }
}
