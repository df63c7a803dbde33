import CLibuv
import Environment

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An IPv4 or IPv6 address with a port, in 24 bytes without a heap object: every connection keeps one.
struct InternetAddress: Hashable, Sendable {
    enum Family: UInt8, Sendable { case ipv4, ipv6 }

    /// In network order as it stands in memory; an IPv4 address fills the first four bytes.
    private var words: (UInt64, UInt64) = (0, 0)
    private var scope: UInt32 = 0
    private(set) var port: UInt16 = 0
    private(set) var family = Family.ipv4

    /// A literal without brackets; nil for anything else.
    init?(host: String, port: UInt16) {
        self.port = port
        var ipv4 = sockaddr_in()
        var ipv6 = sockaddr_in6()
        if uv_ip4_addr(host, Int32(port), &ipv4) == 0 {
            withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: withUnsafeBytes(of: ipv4.sin_addr) { Array($0) }) }
        } else if uv_ip6_addr(host, Int32(port), &ipv6) == 0 {
            family = .ipv6
            scope = ipv6.sin6_scope_id
            withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: withUnsafeBytes(of: ipv6.sin6_addr) { Array($0) }) }
        } else {
            return nil
        }
    }

    /// An IPv4 address that came over an IPv6 socket (`::ffff:192.0.2.1`) becomes plain IPv4: one peer, one spelling.
    init?(_ address: UnsafePointer<sockaddr>?) {
        guard let address else { return nil }
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let ipv4 = raw.loadUnaligned(as: sockaddr_in.self)
            port = UInt16(bigEndian: ipv4.sin_port)
            withUnsafeMutableBytes(of: &words) { words in
                withUnsafeBytes(of: ipv4.sin_addr) { words.copyMemory(from: $0) }
            }
        case AF_INET6:
            let ipv6 = raw.loadUnaligned(as: sockaddr_in6.self)
            port = UInt16(bigEndian: ipv6.sin6_port)
            withUnsafeBytes(of: ipv6.sin6_addr) { bytes in
                let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
                withUnsafeMutableBytes(of: &words) { words in
                    words.copyMemory(from: isMapped ? UnsafeRawBufferPointer(rebasing: bytes[12...]) : bytes)
                }
                family = isMapped ? .ipv4 : .ipv6
            }
            scope = family == .ipv6 ? ipv6.sin6_scope_id : 0
        default:
            return nil
        }
    }

    init?(_ storage: sockaddr_storage) {
        let address = withUnsafeBytes(of: storage) { bytes in
            bytes.baseAddress.flatMap { InternetAddress($0.assumingMemoryBound(to: sockaddr.self)) }
        }
        guard let address else { return nil }
        self = address
    }

    /// The local end of a bound or connected socket.
    init?(localEndOf descriptor: Int32) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard code == 0, let address = InternetAddress(storage) else { return nil }
        self = address
    }

    func with(port: UInt16) -> InternetAddress {
        var copy = self
        copy.port = port
        return copy
    }

    var addressFamily: Int32 { family == .ipv4 ? AF_INET : AF_INET6 }

    /// Lends the form that the socket calls take.
    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch family {
        case .ipv4:
            var address = sockaddr_in()
            setLength(&address)
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            withUnsafeBytes(of: words) { words in
                withUnsafeMutableBytes(of: &address.sin_addr) { $0.copyBytes(from: words.prefix($0.count)) }
            }
            return lend(&address, body)
        case .ipv6:
            var address = sockaddr_in6()
            setLength(&address)
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_scope_id = scope
            withUnsafeBytes(of: words) { words in
                withUnsafeMutableBytes(of: &address.sin6_addr) { $0.copyBytes(from: words.prefix($0.count)) }
            }
            return lend(&address, body)
        }
    }

    private func lend<Address, Result>(
        _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<Address>.size))
            }
        }
    }

    /// Without brackets.
    var host: String {
        var text = [CChar](repeating: 0, count: 64)
        let code = withUnsafeBytes(of: words) { uv_inet_ntop(addressFamily, $0.baseAddress, &text, text.count) }
        guard code == 0 else { return "unknown" }
        return text.withUnsafeBytes { bytes in String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// As written in messages: `192.0.2.1:80`, `[2001:db8::1]:80`.
    var text: String { family == .ipv4 ? "\(host):\(port)" : "[\(host)]:\(port)" }

    var peerAddress: PeerAddress { PeerAddress(host: host, port: port) }

    static func == (left: InternetAddress, right: InternetAddress) -> Bool {
        left.words == right.words && left.port == right.port && left.family == right.family && left.scope == right.scope
    }

    func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
        hasher.combine(port)
    }
}
