#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// What a text value of the file may be.
enum TextRule: Sendable {
    case path
    case address
    case providerID
    case endpointURL
    case displayName
    case version
    case secret

    var allowed: String {
        switch self {
        case .path: "the path of a file, at most 4096 bytes"
        case .address: "an IPv4 or IPv6 address"
        case .providerID: "1 to 64 of the characters a-z, A-Z, 0-9, _, . and -"
        case .endpointURL: "an https:// address without user, query or fragment (http:// only for this machine itself)"
        case .displayName: "a text of 1 to 128 bytes without control characters"
        case .version: "a version of 1 to 32 visible characters without spaces, such as 1.2.0"
        case .secret: "a text of 1 to 1024 visible ASCII characters without spaces, and not <required>"
        }
    }

    func accepts(_ text: String) -> Bool {
        let bytes = text.utf8
        return switch self {
        case .path: (1...4096).contains(bytes.count) && !bytes.contains(0)
        case .address: Self.isAddress(text)
        case .providerID: (1...64).contains(bytes.count) && bytes.allSatisfy(Self.isProviderIDByte)
        case .endpointURL: EndpointURLCheck.accepts(text)
        case .displayName: (1...128).contains(bytes.count) && bytes.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        case .version: (1...32).contains(bytes.count) && bytes.allSatisfy(Self.isVisible)
        case .secret: (1...1024).contains(bytes.count) && bytes.allSatisfy(Self.isVisible) && text != "<required>"
        }
    }

    static func isVisible(_ byte: UInt8) -> Bool { byte > 0x20 && byte < 0x7F }

    private static func isProviderIDByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2E, 0x2D: true
        default: false
        }
    }

    static func isAddress(_ text: String) -> Bool {
        guard !text.utf8.contains(0) else { return false }
        var four = in_addr()
        var six = in6_addr()
        return inet_pton(AF_INET, text, &four) == 1 || inet_pton(AF_INET6, text, &six) == 1
    }
}

/// Where requests of a pinned provider may be forwarded to. Plain HTTP would show prompts to everybody on the way, so
/// it is for this machine only; a user name in the address would end up in logs.
enum EndpointURLCheck {
    static func accepts(_ text: String) -> Bool {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy(TextRule.isVisible) else { return false }
        let lowercased = text.lowercased()
        let isPlain = lowercased.hasPrefix("http://")
        guard isPlain || lowercased.hasPrefix("https://") else { return false }
        let rest = lowercased.dropFirst(isPlain ? 7 : 8)
        guard !rest.contains(where: { "@?#\\".contains($0) }) else { return false }
        let authority = rest.prefix { $0 != "/" }
        guard let host = host(authority) else { return false }
        return !isPlain || isLoopback(host)
    }

    /// The host without brackets and port, or nil when either is malformed.
    private static func host(_ authority: Substring) -> String? {
        let host: Substring
        var port: Substring?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            if !rest.isEmpty { port = rest.dropFirst() }
            guard host.contains(":"), TextRule.isAddress(String(host)) else { return nil }
        } else {
            let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host = parts[0]
            if parts.count == 2 { port = parts[1] }
            guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(isHostByte) else { return nil }
        }
        if let port {
            guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port),
                (1...65_535).contains(number)
            else { return nil }
        }
        return String(host)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }

    private static func isLoopback(_ host: String) -> Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && TextRule.isAddress(host))
    }
}
