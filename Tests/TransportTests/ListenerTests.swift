import Environment
import Glibc
import Primitives
import Testing

@testable import Transport

@Suite struct ListenerTests {
    @Test(arguments: [
        (["127.0.0.1"], ["127.0.0.1"]),
        (["::1"], ["::1"]),
        (["localhost"], ["127.0.0.1", "::1"]),
        (["127.0.0.1", "127.0.0.1", "127.0.0.2"], ["127.0.0.1", "127.0.0.2"]),
        (["0.0.0.0", "::"], ["0.0.0.0", "::"]),
        (["*"], ["::"]),
    ])
    func listensOnEveryAddressAndTellsThePorts(hosts: [String], expected: [String]) async throws {
        try await withShard { shard in
            let addresses = try await shard.run { environment in
                let acceptor = ScriptedAcceptor {
                    $0.send("hello"); $0.onFlush = { $0.connection.close() }
                }
                let listener = try environment.listen(ListenSettings(hosts: hosts, port: 0), acceptor: acceptor)
                environment.keep(listener)
                return listener.addresses
            }
            #expect(addresses.map(\.host) == expected)
            for address in addresses {
                #expect(address.port != 0)
                let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][address.host] ?? address.host
                #expect(try RawClient(port: address.port, host: host).receiveAll() == Array("hello".utf8))
            }
            if hosts == ["*"] {
                let client = try RawClient(port: addresses[0].port, host: "127.0.0.1")
                #expect(try client.receiveAll() == Array("hello".utf8))
            }
        }
    }

    @Test func addressInUseIsAnErrorThatNamesIt() async throws {
        try await withShard { shard in
            let port = try await shard.listen { _ in }
            let error = await #expect(throws: ListenError.self) {
                _ = try await shard.listen(ListenSettings(hosts: ["127.0.0.1"], port: port)) { _ in }
            }
            #expect(error?.kind == .inUse)
            #expect(error?.description == "cannot listen on 127.0.0.1:\(port): address already in use")
        }
    }

    @Test(arguments: [
        ("example.org", "cannot listen on \"example.org\": not an IP address"),
        ("192.0.2.1", "cannot listen on 192.0.2.1:0: address not available"),
    ])
    func badAddressesAreErrorsThatNameThem(host: String, text: String) async throws {
        try await withShard { shard in
            let error = await #expect(throws: ListenError.self) {
                _ = try await shard.listen(ListenSettings(hosts: [host], port: 0)) { _ in }
            }
            #expect(error?.description == text)
        }
    }

    @Test func twoShardsShareAPortWhenAsked() async throws {
        try await withShard { first in
            try await withShard { second in
                var settings = ListenSettings(hosts: ["127.0.0.1"], port: 0)
                settings.sharesPort = true
                settings.port = try await first.listen(settings) { _ in }
                #expect(try await second.listen(settings) { _ in } == settings.port)
            }
        }
    }

    @Test func stoppingFreesTheAddressAndLeavesConnectionsAlone() async throws {
        try await withShard { shard in
            let port = try await shard.listen { $0.onReceived = { $0.send($1.readOnly) } }
            let client = try RawClient(port: port)
            try client.send("a")
            #expect(try client.receive(exactly: 1) == Array("a".utf8))
            await shard.run { $0.resident(Listener.self)?.stop() }
            #expect(throws: RawClient.Failure.self) { _ = try RawClient(port: port) }
            try client.send("b")
            #expect(try client.receive(exactly: 1) == Array("b".utf8))
            #expect(try await shard.listen(ListenSettings(hosts: ["127.0.0.1"], port: port)) { _ in } == port)
        }
    }

    @Test func connectionsBeyondTheLimitGetTheRefusal() async throws {
        try await withShard { shard in
            var settings = ListenSettings(hosts: ["127.0.0.1"], port: 0)
            settings.connectionLimit = 2
            let port = try await shard.listen(settings) { $0.onReceived = { $0.send($1.readOnly) } }
            let first = try RawClient(port: port)
            let second = try RawClient(port: port)
            try first.send("1")
            try second.send("2")
            _ = try first.receive(exactly: 1)
            _ = try second.receive(exactly: 1)
            for _ in 0..<100 {
                let third = try RawClient(port: port)
                try third.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try third.receiveAll() == ListenSettings.serviceUnavailable)
            }
            let counts = await shard.run { environment in
                let listener = environment.resident(Listener.self)
                return [listener?.connectionCount, listener?.refusedCount]
            }
            #expect(counts == [2, 100])
            _ = consume first
            while await shard.run({ $0.resident(Listener.self)?.connectionCount }) != 1 {}
            let fourth = try RawClient(port: port)
            try fourth.send("4")
            #expect(try fourth.receive(exactly: 1) == Array("4".utf8))
            try second.send("2")
            #expect(try second.receive(exactly: 1) == Array("2".utf8))
        }
    }
}
