import HTTPCodec

/// What an operator can order (docs/protocol.md, section 10).
enum AdminRoute: Equatable {
    case blacklist
    case listProvisional
    case promote(providerID: String)
    case reject(providerID: String)

    /// nil for a path that is none of them.
    init?(_ head: RequestHead) throws(APIError) {
        let path = head.path
        guard path.hasPrefix("/admin/") else { return nil }
        let words = path.dropFirst("/admin/".count).split(separator: "/", omittingEmptySubsequences: false)
        switch (words.first, words.count) {
        case ("blacklist", 1): self = .blacklist
        case ("provisional", 1): self = .listProvisional
        case ("promote", 2): self = .promote(providerID: String(words[1]))
        case ("reject", 2): self = .reject(providerID: String(words[1]))
        default: return nil
        }
        let isAllowed = self == .listProvisional ? head.method == .get || head.method == .head : head.method == .post
        guard isAllowed else { throw .methodNotAllowed(self == .listProvisional ? "GET" : "POST") }
    }
}
