import Environment
import Transport

/// `HOST:PORT` on the command line; an IPv6 address stands in brackets.
struct ListenAddress: Equatable, Sendable {
    var host: String
    var port: UInt16

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let portText = text[text.index(after: colon)...]
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty, portText.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(portText)
        else {
            return nil
        }
        self.init(host: String(host), port: port)
    }

    /// As it stands in a URL.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    static func read(_ option: ValueOption, _ arguments: Arguments) throws(UsageError) -> ListenAddress? {
        guard let text = arguments[option] else { return nil }
        guard let address = ListenAddress(text) else {
            throw UsageError(
                "--\(option.name) takes HOST:PORT, such as 127.0.0.1:8443 or [::]:8443, not “\(text)”")
        }
        return address
    }
}

extension ListenAddress {
    init(_ address: PeerAddress) { self.init(host: address.host, port: address.port) }
}
