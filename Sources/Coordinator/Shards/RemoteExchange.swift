import HTTPCodec
import Primitives

/// The hub's stand-in for a buyer's connection on a front.
final class RemoteExchange: Exchange {
    private enum State {
        case pending
        case streaming
        /// A part was left out, since the front is too far behind: what has begun can only be aborted.
        case broken
        case over
    }

    var owner: (any ExchangeOwner)?
    let buyerHost: String
    /// The front sees how much waits, and says so by ``FrontMessage/cutSlowBuyer(_:)``; here only the way there counts.
    var waitingByteCount: Int { state == .broken ? .max : 0 }

    private let id: ExchangeID
    private unowned let hub: Hub
    private var state = State.pending

    init(_ id: ExchangeID, hub: Hub, buyerHost: String) {
        self.id = id
        self.hub = hub
        self.buyerHost = buyerHost
    }

    func respond(status: Int, fields: ResponseFields, body: ByteView) {
        guard case .pending = state else { return }
        guard hub.hasRoom(for: body.count, to: id.front) else { return abort() }
        hub.add(to: id.front) { batch in
            let range = batch.append(body)
            batch.messages.append(.respond(id.number, status: status, fields, body: range))
        }
        finish()
    }

    func respond(with error: APIError) {
        guard case .pending = state else { return }
        hub.add(to: id.front) { $0.messages.append(.fail(id.number, error)) }
        finish()
    }

    func beginStream(status: Int, fields: ResponseFields) {
        guard case .pending = state else { return }
        state = .streaming
        hub.add(to: id.front) { $0.messages.append(.begin(id.number, status: status, fields)) }
    }

    func stream(_ data: ByteView) {
        guard case .streaming = state else { return }
        guard hub.hasRoom(for: data.count, to: id.front) else {
            state = .broken
            return
        }
        hub.add(to: id.front) { batch in
            let range = batch.append(data)
            batch.messages.append(.chunk(id.number, range))
        }
    }

    func endStream() {
        switch state {
        case .streaming:
            hub.add(to: id.front) { $0.messages.append(.end(id.number)) }
            finish()
        case .broken: abort()
        case .pending, .over: break
        }
    }

    func abort() {
        guard state != .over else { return }
        hub.add(to: id.front) { $0.messages.append(.abort(id.number)) }
        finish()
    }

    private func finish() {
        state = .over
        owner = nil
        hub.finished(id)
    }

    // MARK: From the front

    func abandoned() { takeOwner()?.exchangeAbandoned() }

    /// Whether there was somebody to tell.
    func cutAsSlow() -> Bool {
        guard let owner = takeOwner() else { return false }
        owner.exchangeCutAsSlow()
        return true
    }

    private func takeOwner() -> (any ExchangeOwner)? {
        state = .over
        defer { owner = nil }
        return owner
    }
}
