import Environment
import HTTPCodec
import JSON
import Pool
import Primitives
import ProviderProtocol

/// What buyers ask for, once it is understood; their connections may live here or on another shard.
extension Coordinator {
    /// Routes a request and starts its relay; answers on `exchange` in any case.
    func complete(_ chat: ChatRequest, _ wish: RouteWish, body: consuming HeldBody, exchange: any Exchange) {
        metrics.requestsTotal += 1
        start(chat, wish, body: body, exchange: exchange)
    }

    /// The same for a request that has been counted.
    func start(_ chat: ChatRequest, _ wish: RouteWish, body: consuming HeldBody, exchange: any Exchange) {
        let session: ProviderSession
        do throws(APIError) {
            guard let chosen = try chooseSession(chat, wish) else {
                waitingRequests.append(
                    WaitingRequest(chat, wish, body: body, exchange: exchange, coordinator: self))
                return
            }
            session = chosen
        } catch {
            let id = RequestID(environment.timeOrderedID())
            requestRefused(error, chat, id)
            recordRefusal(error, of: chat, id, wish, from: exchange.buyerHost)
            exchange.respond(with: error, to: id)
            return
        }
        let id = RequestID(environment.timeOrderedID(), index: requests.reserveIndex())
        let relay = Relay(
            id: id, chat: chat, wish: wish, body: body, session: session, exchange: exchange, coordinator: self)
        requests.insert(relay)
        relay.start()
    }

    /// nil: the request waits for a session that is getting new keys.
    private func chooseSession(_ chat: ChatRequest, _ wish: RouteWish) throws(APIError) -> ProviderSession? {
        guard !isDraining else { throw .shuttingDown }
        switch route(chat, wish, excluding: []) {
        case .success(let handle):
            guard let session = session(handle) else { throw .noProvider }
            return session
        case .failure(.noProviderAvailable) where mayWaitForRekey(chat, wish),
            .failure(.targetCannotServe) where mayWaitForRekey(chat, wish):
            return nil
        case .failure(let failure): throw APIError(failure, model: chat.model)
        }
    }

    func respondWithModels(_ exchange: any Exchange) {
        var body = ByteQueue()
        let created = Int(startedWallTime.unixSeconds)
        body.appendJSON { json in
            json.beginObject()
            json.member("object", literal: "list")
            json.key("data")
            json.beginArray()
            for model in pool.models { model.write(to: &json, created: created) }
            json.endArray()
            json.endObject()
        }
        var fields = ResponseFields()
        fields.append("Content-Type", "application/json")
        exchange.respond(status: 200, fields: fields, body: body.view)
    }
}

extension ModelSummary {
    func write(to json: inout JSONWriter, created: Int) {
        json.beginObject()
        json.member("id", name)
        json.member("object", literal: "model")
        json.member("created", created)
        json.member("owned_by", literal: "macprovider")
        json.member("provider_count", providerCount)
        json.member("max_context_tokens", maxContextTokens)
        json.member("context_length", maxContextTokens)
        json.member("max_model_len", maxContextTokens)
        json.member("total_slots", totalSlots)
        json.endObject()
    }
}
