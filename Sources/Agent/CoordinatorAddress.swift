package import Environment

/// Where the coordinator listens for providers, read from `ws://host[:port][/path]` or `wss://…`.
package struct CoordinatorAddress: Sendable, Equatable {
    package var endpoint: DialEndpoint
    /// For the `Host` field: brackets around an IPv6 address, the port only when it is not the scheme's own.
    package var hostField: String
    /// Path and query. Without one in the URL: `/ws/provider`.
    package var target: String

    package static let defaultTarget = "/ws/provider"

    /// Nil when `text` is no such URL: another scheme, no host, user information, a fragment, a port out of 1...65535,
    /// or characters that do not belong in a URL.
    package init?(_ text: String, verifiesCertificate: Bool = true) {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x23 }) else {
            return nil
        }
        guard let schemeEnd = text.firstIndex(of: ":"), text[schemeEnd...].hasPrefix("://") else { return nil }
        let scheme = text[..<schemeEnd].lowercased()
        guard scheme == "ws" || scheme == "wss" else { return nil }
        let rest = text[schemeEnd...].dropFirst(3)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !authority.isEmpty, !authority.contains("@") else { return nil }

        let host: Substring
        let portText: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let behind = authority[authority.index(after: end)...]
            guard behind.isEmpty || behind.hasPrefix(":") else { return nil }
            portText = behind.isEmpty ? nil : behind.dropFirst()
        } else {
            let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host = parts[0]
            portText = parts.count == 2 ? parts[1] : nil
        }
        guard !host.isEmpty, host.utf8.count <= 253 else { return nil }
        let usual: UInt16 = scheme == "wss" ? 443 : 80
        var port = usual
        if let portText {
            guard portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(portText), number > 0
            else { return nil }
            port = number
        }

        let security: DialEndpoint.Security = scheme == "ws" ? .plain : verifiesCertificate ? .tls : .tlsUnverified
        endpoint = DialEndpoint(host: String(host), port: port, security: security)
        let shownHost = host.contains(":") ? "[\(host)]" : String(host)
        hostField = port == usual ? shownHost : "\(shownHost):\(port)"
        let path = rest[authority.endIndex...]
        if path.isEmpty || path == "/" {
            target = Self.defaultTarget
        } else {
            target = path.hasPrefix("?") ? "/" + path : String(path)
        }
    }
}
