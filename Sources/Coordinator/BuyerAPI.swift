import Environment
import HTTPCodec
import JSON
import Pool
import Primitives
import ProviderProtocol

/// The OpenAI-compatible listener: models and chat completions (docs/protocol.md, sections 7 to 9).
final class BuyerAPI: HTTPService {
    private unowned let coordinator: Coordinator

    init(coordinator: Coordinator) { self.coordinator = coordinator }

    private enum Route {
        case models
        case chatCompletions
        case health(HealthCheck)
    }

    private static func route(_ head: RequestHead) throws(APIError) -> Route {
        let route: Route
        let methods: (isAllowed: Bool, names: String)
        switch head.path {
        case "/v1/models":
            (route, methods) = (.models, (head.method == .get || head.method == .head, "GET"))
        case "/v1/chat/completions":
            (route, methods) = (.chatCompletions, (head.method == .post, "POST"))
        default:
            guard let check = HealthCheck(path: head.path) else { throw .notFound }
            (route, methods) = (.health(check), (head.method == .get || head.method == .head, "GET"))
        }
        guard methods.isAllowed else { throw .methodNotAllowed(methods.names) }
        return route
    }

    func decide(on head: RequestHead, from connection: HTTPServerConnection) -> HeadDecision {
        do throws(APIError) {
            _ = try Self.route(head)
            return .proceed
        } catch {
            return .refuse(error)
        }
    }

    func handle(_ head: RequestHead, body: consuming HeldBody, exchange: HTTPServerConnection) {
        do throws(APIError) {
            switch try Self.route(head) {
            case .models: respondWithModels(exchange)
            case .health(let check): coordinator.respond(to: check, exchange)
            case .chatCompletions: try complete(head, body: body, exchange: exchange)
            }
        } catch {
            exchange.respond(with: error)
        }
    }

    // MARK: Chat completions

    private func complete(
        _ head: RequestHead, body: consuming HeldBody, exchange: HTTPServerConnection
    ) throws(APIError) {
        coordinator.metrics.requestsTotal += 1
        guard !coordinator.isDraining else { throw .shuttingDown }
        let chat = try parse(body.view)
        let wish = try RouteWish(head)
        let session: ProviderSession
        do throws(APIError) {
            session = try route(chat, wish)
        } catch {
            coordinator.recordRefusal(error, of: chat, wish, from: exchange.connection.peer.host)
            throw error
        }
        let random = coordinator.environment.randomID()
        let id = RequestID(index: coordinator.requests.reserveIndex(), random: (random.high, random.low))
        let relay = Relay(
            id: id, chat: chat, wish: wish, body: body, session: session, exchange: exchange, coordinator: coordinator)
        coordinator.requests.insert(relay)
        relay.start()
    }

    private func parse(_ body: ByteView) throws(APIError) -> ChatRequest {
        let root: JSONValue
        do throws(JSONError) {
            root = try coordinator.buyerParser.parse(body)
        } catch {
            throw .invalidRequest("The body is not valid JSON: \(error.message).", code: "invalid_json")
        }
        return try ChatRequest(validating: root)
    }

    private func route(_ chat: ChatRequest, _ wish: RouteWish) throws(APIError) -> ProviderSession {
        switch coordinator.route(chat, wish, excluding: []) {
        case .success(let handle):
            guard let session = coordinator.session(handle) else { throw .noProvider }
            return session
        case .failure(let failure): throw APIError(failure, model: chat.model)
        }
    }

    // MARK: Models

    private func respondWithModels(_ exchange: HTTPServerConnection) {
        var body = ByteQueue()
        let created = Int(coordinator.startedWallTime.unixSeconds)
        body.appendJSON { json in
            json.beginObject()
            json.member("object", literal: "list")
            json.key("data")
            json.beginArray()
            for model in coordinator.pool.models { model.write(to: &json, created: created) }
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
