import Environment
import HTTPCodec
import JSON
import Pool
import Primitives
import ProviderProtocol

/// The OpenAI-compatible listener: models and chat completions (docs/protocol.md, sections 7 to 9).
final class BuyerAPI: HTTPService {
    private let coordinator: Coordinator

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
            case .models:
                if let front = coordinator.front { return front.ask(.models, exchange) }
                coordinator.respondWithModels(exchange)
            case .health(let check):
                if let front = coordinator.front { return front.ask(.health(check), exchange) }
                coordinator.respond(to: check, exchange)
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
        guard !coordinator.isDraining else { throw .shuttingDown }
        let chat = try parse(body.view)
        let wish = try RouteWish(head)
        if let front = coordinator.front {
            front.ask(
                .complete(chat, wish, buyerHost: exchange.buyerHost, body: body.passOn()), exchange)
        } else {
            coordinator.complete(chat, wish, body: body, exchange: exchange)
        }
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
}
