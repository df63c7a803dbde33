import Environment
import HTTPCodec
import JSON
import Pool
import Primitives
import ProviderProtocol

/// The operator's orders (docs/protocol.md, section 10). Who asks has been checked.
struct AdminAPI {
    /// How long a provider that is sent away may finish its work.
    private static let drainLimit = Duration.seconds(60)

    let coordinator: Coordinator

    func handle(_ route: AdminRoute, body: consuming HeldBody, exchange: HTTPServerConnection) throws(APIError) {
        switch route {
        case .blacklist: try blacklist(body: body, exchange)
        case .listProvisional: ProvisionalListing.answer(exchange, coordinator)
        case .promote(let providerID): try promote(providerID, exchange)
        case .reject(let providerID): try reject(providerID, body: body, exchange)
        }
    }

    // MARK: Blacklist

    /// Two phases: no new work from now on, then the close, when the provider is done or its time is over. It may come
    /// again.
    private func blacklist(body: consuming HeldBody, _ exchange: HTTPServerConnection) throws(APIError) {
        let order = try Order(body.view, coordinator.buyerParser)
        let target: EntryHandle?
        switch (order.providerID, order.assignedID) {
        case (let providerID?, _): target = coordinator.pool.handle(provider: providerID)
        case (nil, let assignedID?):
            target = withByteView(assignedID) { UniqueID($0) }.flatMap { coordinator.pool.handle(session: $0) }
        case (nil, nil): throw .invalidRequest("The body must name a provider_id or an assigned_id.")
        }
        guard let target, let entry = coordinator.pool[target], entry.isConnected,
            let session = coordinator.session(target)
        else { throw .providerNotFound(order.providerID ?? order.assignedID ?? "") }
        let wasSent = session.sendDrain()
        coordinator.perform(
            coordinator.pool.markDraining(target, closeAfter: Self.drainLimit, now: coordinator.environment.now))
        log("provider_blacklisted", entry.profile.providerID, order.reason)
        exchange.respond { json in
            json.member("status", literal: "draining")
            json.member("provider_id", entry.profile.providerID)
            json.member("assigned_id", entry.sessionID)
            json.member("drain_sent", wasSent)
        }
    }

    // MARK: Promote and reject

    private func promote(_ providerID: String, _ exchange: HTTPServerConnection) throws(APIError) {
        let previous: ProviderStanding
        switch coordinator.pool.promote(providerID, now: coordinator.environment.now) {
        case .success(let standing): previous = standing
        case .failure(.providerNotFound): throw .providerNotFound(providerID)
        case .failure(.alreadyPinned):
            throw APIError(409, .invalidRequest, "already_pinned", "Provider \(providerID) is pinned already.")
        }
        coordinator.journal?.providerPromoted(providerID, at: coordinator.environment.wallTime)
        log("provider_promoted", providerID, nil)
        exchange.respond { json in
            json.member("provider_id", providerID)
            json.member("previous_tier", literal: previous == .rejected ? "rejected" : "provisional")
            json.member("new_tier", literal: "pinned")
            json.member(
                "note",
                "Pinned at once, and after a restart as long as the database is kept. "
                    + "List it in coordinator.yaml to pin it without the database.")
        }
    }

    private func reject(
        _ providerID: String, body: consuming HeldBody, _ exchange: HTTPServerConnection
    ) throws(APIError) {
        guard withByteView(providerID, { ProviderDescription.isProviderID($0) }) else {
            throw .providerNotFound(providerID)
        }
        let reason = body.count == 0 ? nil : try Order(body.view, coordinator.buyerParser).reason
        let wasSent = coordinator.ban(providerID)
        coordinator.journal?.providerRejected(providerID, reason: reason, at: coordinator.environment.wallTime)
        log("provider_rejected", providerID, reason)
        exchange.respond { json in
            json.member("provider_id", providerID)
            json.member("status", literal: "rejected")
            json.member("drain_sent", wasSent)
            json.member(
                "note",
                wasSent
                    ? "It finishes what it works on, within 60 seconds, and is then closed with code 4009; "
                        + "so is every later connection."
                    : "It is not connected. Every later connection is closed with code 4009.")
        }
    }

    private func log(_ event: StaticString, _ providerID: String, _ reason: String?) {
        var fields: LogRecord.Fields = [("provider_id", .string(providerID))]
        if let reason { fields.append(("reason", .string(reason))) }
        coordinator.log(.info, event, fields)
    }

    /// The body of an order.
    private struct Order {
        static let reasonByteCount = 500

        var providerID: String?
        var assignedID: String?
        var reason: String?

        init(_ body: ByteView, _ parser: JSONParser) throws(APIError) {
            let root: JSONValue
            do throws(JSONError) {
                root = try parser.parse(body)
            } catch {
                throw .invalidRequest("The body is not valid JSON: \(error.message).", code: "invalid_json")
            }
            guard root.isObject else { throw .invalidRequest("The body must be a JSON object.") }
            providerID = try Self.text("provider_id", of: root, limit: 64)
            assignedID = try Self.text("assigned_id", of: root, limit: UniqueID.textByteCount)
            reason = try Self.text("reason", of: root, limit: Self.reasonByteCount)
        }

        private static func text(
            _ name: StaticString, of root: JSONValue, limit: Int
        ) throws(APIError) -> String? {
            guard let value = root[name], !value.isNull else { return nil }
            guard let text = value.string, text.count <= limit else {
                throw .invalidRequest(
                    "The field \(name) must be a string of at most \(limit) bytes.", parameter: name.description)
            }
            return text.string
        }
    }
}

extension Coordinator {
    /// Bans a provider id, known or not. A live session hears `drain`, finishes what it works on within a minute, and is
    /// closed with 4009.
    /// - Returns: whether a session was told.
    @discardableResult func ban(_ providerID: String) -> Bool {
        let rejection = pool.reject(providerID, closeAfter: .seconds(60), now: environment.now)
        perform(rejection.actions)
        guard let handle = rejection.session, let session = session(handle) else { return false }
        let wasSent = session.sendDrain()
        session.closeWhenIdle(.banned(providerID: providerID))
        return wasSent
    }
}

extension APIError {
    static func providerNotFound(_ name: String) -> APIError {
        APIError(404, .invalidRequest, "provider_not_found", "Provider \(name) is not known here.")
    }
}

extension HTTPServerConnection {
    /// Answers 200 with one JSON object.
    func respond(_ members: (inout JSONWriter) -> Void) {
        var body = ByteQueue()
        body.appendJSON { json in
            json.beginObject()
            members(&json)
            json.endObject()
        }
        var fields = ResponseFields()
        fields.append("Content-Type", "application/json")
        respond(status: 200, fields: fields, body: body.view)
    }
}
