import Environment
import Testing

@testable import Agent

@Suite struct CoordinatorAddressTests {
    @Test(arguments: [
        ("ws://127.0.0.1:8444", "127.0.0.1", 8444, DialEndpoint.Security.plain, "127.0.0.1:8444", "/ws/provider"),
        ("wss://pool.example", "pool.example", 443, .tls, "pool.example", "/ws/provider"),
        ("WSS://pool.example/", "pool.example", 443, .tls, "pool.example", "/ws/provider"),
        ("ws://pool.example:80/x/y?z=1", "pool.example", 80, .plain, "pool.example", "/x/y?z=1"),
        ("ws://[2001:db8::1]:9000", "2001:db8::1", 9000, .plain, "[2001:db8::1]:9000", "/ws/provider"),
        ("wss://[::1]", "::1", 443, .tls, "[::1]", "/ws/provider"),
        ("ws://a?b", "a", 80, .plain, "a", "/?b"),
    ])
    func reads(
        text: String, host: String, port: Int, security: DialEndpoint.Security, hostField: String, target: String
    ) throws {
        let address = try #require(CoordinatorAddress(text))
        #expect(address.endpoint == DialEndpoint(host: host, port: UInt16(port), security: security))
        #expect(address.hostField == hostField)
        #expect(address.target == target)
    }

    @Test(arguments: [
        "", "pool.example", "http://pool.example", "ws:/a", "ws://", "ws:///path", "ws://:80", "ws://a:", "ws://a:0",
        "ws://a:65536", "ws://a:+1", "ws://user@a", "ws://a#b", "ws://a b", "ws://[::1", "ws://[]", "ws://[::1]x",
        "ws://a\r\nX: y",
    ])
    func refuses(text: String) {
        #expect(CoordinatorAddress(text) == nil)
    }

    @Test func certificateCheckCanBeTurnedOffOnRequestOnly() {
        #expect(CoordinatorAddress("wss://a", verifiesCertificate: false)?.endpoint.security == .tlsUnverified)
        #expect(CoordinatorAddress("ws://a", verifiesCertificate: false)?.endpoint.security == .plain)
    }
}
