import Crypto
import Environment
import HTTPCodec
import JSON
import Pool
import Primitives
import WebSocketCodec

/// The listener of providers and operators: the WebSocket upgrade, health, the pool, and orders (docs/protocol.md, sections 3
/// and 10).
final class ProviderAPI: HTTPService {
    private let coordinator: Coordinator

    init(coordinator: Coordinator) { self.coordinator = coordinator }

    private enum Route {
        case webSocket
        case health(HealthCheck)
        case pool
        case metrics
        case admin(AdminRoute)
    }

    private static func route(_ head: RequestHead) throws(APIError) -> Route {
        if let admin = try AdminRoute(head) { return .admin(admin) }
        let route: Route
        switch head.path {
        case "/ws/provider": route = .webSocket
        case "/poolz": route = .pool
        case "/metrics": route = .metrics
        default:
            guard let check = HealthCheck(path: head.path) else { throw .notFound }
            route = .health(check)
        }
        guard head.method == .get || head.method == .head else { throw .methodNotAllowed("GET") }
        return route
    }

    func decide(on head: RequestHead, from connection: HTTPServerConnection) -> HeadDecision {
        do throws(APIError) {
            switch try Self.route(head) {
            case .webSocket: return .upgrade(try upgrade(head))
            case .health: return .proceed
            case .pool, .metrics, .admin:
                try authorize(head)
                return .proceed
            }
        } catch {
            return .refuse(error)
        }
    }

    func handle(_ head: RequestHead, body: consuming HeldBody, exchange: HTTPServerConnection) {
        do throws(APIError) {
            switch try Self.route(head) {
            case .webSocket: throw .notFound
            case .health(let check): coordinator.respond(to: check, exchange)
            case .pool: respondWithPool(exchange)
            case .metrics: coordinator.respondWithMetrics(exchange)
            case .admin(let order):
                try AdminAPI(coordinator: coordinator).handle(order, body: body, exchange: exchange)
            }
        } catch {
            exchange.respond(with: error)
        }
    }

    // MARK: Operators

    private func authorize(_ head: RequestHead) throws(APIError) {
        let key = coordinator.settings.authentication.operatorKey
        let isRight = !key.isEmpty && (head.bearerToken.map { Self.isEqual($0, key) } ?? false)
        guard isRight else { throw .invalidOperatorToken }
    }

    private static func isEqual(_ left: String, _ right: String) -> Bool {
        withByteView(left) { left in withByteView(right) { equalsInConstantTime(left, $0) } }
    }

    private func respondWithPool(_ exchange: HTTPServerConnection) {
        var body = ByteQueue()
        body.appendJSON { coordinator.writePool(to: &$0) }
        var fields = ResponseFields()
        fields.append("Content-Type", "application/json")
        exchange.respond(status: 200, fields: fields, body: body.view)
    }

    // MARK: Providers

    private func upgrade(_ head: RequestHead) throws(APIError) -> ProviderUpgrade {
        let acceptKey: String
        switch WebSocketHandshake.accept(head) {
        case .success(let key): acceptKey = key
        case .failure(let rejection): throw APIError(rejection)
        }
        // Only browsers send it: a page could otherwise join the pool from inside the operator's network. Its value is no
        // help, since a page chooses the name that it is loaded under.
        guard head.fieldCount("Origin") == 0 else { throw .originNotAllowed }
        guard !coordinator.isDraining else { throw .shuttingDown }
        guard coordinator.mayGreet else {
            throw APIError.unavailable(
                "too_many_handshakes", "Too many providers are connecting. Try again.", retryAfterSeconds: 1)
        }
        let owner = try tokenOwner(head)
        return ProviderUpgrade(coordinator: coordinator, acceptKey: acceptKey, tokenOwner: owner)
    }

    private func tokenOwner(_ head: RequestHead) throws(APIError) -> String? {
        guard head.fieldCount("Authorization") > 0 else {
            if coordinator.settings.authentication.requiresProviderToken { throw .invalidProviderToken }
            return nil
        }
        guard let token = head.bearerToken, let owner = withByteView(token, { coordinator.tokenOwner($0) }) else {
            throw .invalidProviderToken
        }
        return owner
    }
}

/// Turns an accepted upgrade into a ``ProviderSession``.
private struct ProviderUpgrade: ConnectionUpgrade {
    let coordinator: Coordinator
    let acceptKey: String
    let tokenOwner: String?

    func appendResponse(to queue: inout ByteQueue) {
        WebSocketHandshake.writeSwitchingProtocols(acceptKey: acceptKey, into: &queue)
    }

    func makeHandler(_ connection: any Connection, writeHalf: consuming WriteHalf) -> any ConnectionHandler {
        let session = ProviderSession(
            connection: connection, writeHalf: writeHalf, tokenOwner: tokenOwner, coordinator: coordinator)
        coordinator.greetingBegan(session)
        return session
    }
}

extension RequestHead {
    /// The credentials of `Authorization: Bearer …`; nil for another scheme, none, or several fields.
    var bearerToken: String? {
        guard fieldCount("Authorization") == 1 else { return nil }
        return withField("Authorization") { value -> String? in
            guard value.count > 7, value.prefix(7).equalsIgnoringCase(ByteView("Bearer ")) else { return nil }
            return value.dropFirst(7).string
        } ?? nil
    }
}

extension APIError {
    static let invalidOperatorToken = APIError(401, .authentication, "invalid_operator_token", "unauthorized")
    static let originNotAllowed = APIError(
        403, .authentication, "origin_not_allowed", "Providers are not web pages: leave the Origin field out")
    static let invalidProviderToken = APIError(
        401, .authentication, "invalid_token", "Invalid or revoked provider token")

    init(_ rejection: WebSocketHandshake.Rejection) {
        self.init(rejection.status, .invalidRequest, "bad_upgrade", rejection.reason.description)
    }
}
