import Environment
import Glibc
import Primitives
import Testing

@testable import Transport

/// A dial target made of closures.
final class ScriptedTarget: DialTarget {
    private let setUp: (ScriptedHandler) -> Void
    private let failed: (DialError) -> Void
    init(_ setUp: @escaping (ScriptedHandler) -> Void, failed: @escaping (DialError) -> Void) {
        self.setUp = setUp
        self.failed = failed
    }
    func dialed(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        setUp(ScriptedHandler(connection, writeHalf))
    }
    func dialFailed(_ error: DialError) { failed(error) }
}

extension Shard {
    /// Dials, sends `greeting`, and gives everything that comes back until the end.
    nonisolated func exchange(
        _ endpoint: DialEndpoint, timeout: Duration = .seconds(60), greeting: String = "hello"
    ) async -> Result<String, DialError> {
        let journal = Journal<Result<String, DialError>>()
        await run { environment in
            let target = ScriptedTarget { handler in
                var text = ""
                handler.send(greeting)
                handler.onReceived = { text += $1.readOnly.string }
                handler.onClosed = { _, end in
                    switch end {
                    case .failed(let reason): journal.add(.success("\(text) [\(reason)]"))
                    case .closedHere, .shutdown: journal.add(.success(text))
                    }
                }
            } failed: {
                journal.add(.failure($0))
            }
            environment.dial(endpoint, timeout: timeout, target: target)
            #expect(journal.entries.isEmpty, "never inside the call")
        }
        return await journal.wait(for: 1)[0]
    }
}

/// Answers the first bytes with themselves and closes.
func echoOnce(_ handler: ScriptedHandler) {
    handler.onReceived = { handler, bytes in
        handler.send(bytes.readOnly)
        handler.onFlush = { $0.connection.finishWriting() }
    }
}

@Suite struct DialerTests {
    @Test(arguments: ["127.0.0.1", "::1", "localhost"]) func dialsAddressesAndNames(host: String) async throws {
        try await withShard { shard in
            let hosts = host == "localhost" ? ["127.0.0.1"] : [host]
            let port = try await shard.listen(ListenSettings(hosts: hosts, port: 0), echoOnce)
            let answer = await shard.exchange(DialEndpoint(host: host, port: port, security: .plain))
            #expect(answer == .success("hello"))
        }
    }

    @Test func refusedIsAnErrorThatNamesTheEndpoint() async throws {
        try await withShard { shard in
            let port = try await shard.listen(ListenSettings(hosts: ["127.0.0.1"], port: 0)) { _ in }
            await shard.run { $0.resident(Listener.self)?.stop() }
            let answer = await shard.exchange(DialEndpoint(host: "127.0.0.1", port: port, security: .plain))
            let message = "cannot connect to 127.0.0.1:\(port): connection refused"
            #expect(answer == .failure(.notConnected(message: message)))
            let named = await shard.exchange(DialEndpoint(host: "localhost", port: port, security: .plain))
            guard case .failure(.notConnected(let text)) = named else {
                Issue.record("connected")
                return
            }
            #expect(text.hasPrefix("cannot connect to localhost:\(port)"))
            #expect(text.contains("connection refused"))
        }
    }

    @Test func unknownNamesAreErrorsThatNameThem() async throws {
        try await withShard { shard in
            let answer = await shard.exchange(DialEndpoint(host: "no.such.invalid", port: 1, security: .plain))
            guard case .failure(.nameNotResolved(let message)) = answer else {
                Issue.record("resolved: \(answer)")
                return
            }
            #expect(message.hasPrefix("cannot resolve no.such.invalid: "))
        }
    }

    @Test func timeOutComesWhenNobodyAnswers() async throws {
        try await withShard { shard in
            let full = try FullBacklog()
            let endpoint = DialEndpoint(host: "127.0.0.1", port: full.port, security: .plain)
            #expect(await shard.exchange(endpoint, timeout: .milliseconds(50)) == .failure(.timedOut))
            let timerCount = await shard.run { $0.timers.count }
            #expect(timerCount == 0)
        }
    }

    @Test func stoppingEndsADial() async throws {
        let shard = try Shard.start()
        let full = try FullBacklog()
        let endpoint = DialEndpoint(host: "127.0.0.1", port: full.port, security: .plain)
        async let answer = shard.exchange(endpoint, timeout: .seconds(600))
        while await !shard.run({ $0.hasResources }) { await Task.yield() }
        await shard.stop()
        #expect(await answer == .failure(.notConnected(message: "the event loop is stopping")))
    }

    @Test func aDeadFirstAddressCostsOnlyTheStagger() async throws {
        try await withShard { shard in
            let full = try FullBacklog()
            let port = try await shard.listen(ListenSettings(hosts: ["::1"], port: 0), echoOnce)
            let journal = Journal<String>()
            await shard.run { environment in
                let addresses = [
                    InternetAddress(host: "127.0.0.1", port: full.port), InternetAddress(host: "::1", port: port),
                ].compactMap { $0 }
                let start = environment.now
                let race = ConnectionRace(addresses, on: environment) { outcome in
                    switch outcome {
                    case .connected(let tcp, let address):
                        #expect(environment.now >= start + ConnectionRace.stagger)
                        SocketConnection(adopting: tcp, on: environment, peer: address).close()
                        journal.add(address.host)
                    case .failed:
                        journal.add("failed")
                    }
                }
                race.start()
                environment.keep(race)
            }
            #expect(await journal.wait(for: 1) == ["::1"])
        }
    }

    @Test func aRefusingFirstAddressCostsNothing() async throws {
        try await withShard { shard in
            let refusing = try await shard.listen { _ in }
            await shard.run { $0.resident(Listener.self)?.stop() }
            let port = try await shard.listen(ListenSettings(hosts: ["::1"], port: 0), echoOnce)
            let journal = Journal<String>()
            await shard.run { environment in
                let addresses = [
                    InternetAddress(host: "127.0.0.1", port: refusing), InternetAddress(host: "::1", port: port),
                ].compactMap { $0 }
                let race = ConnectionRace(addresses, on: environment) { outcome in
                    guard case .connected(let tcp, let address) = outcome else { return journal.add("failed") }
                    SocketConnection(adopting: tcp, on: environment, peer: address).close()
                    journal.add(address.host)
                    #expect(environment.timers.count == 0)
                }
                race.start()
                environment.keep(race)
            }
            #expect(await journal.wait(for: 1) == ["::1"])
        }
    }

    @Test(arguments: [
        ("", ""), ("4a", "4a"), ("6a 6b 6c", "6a 6b 6c"), ("6a 6b 4a 4b", "6a 4a 6b 4b"),
        ("4a 4b 4c 6a", "4a 6a 4b 4c"),
    ])
    func familiesAlternate(given: String, expected: String) {
        func addresses(_ text: String) -> [InternetAddress] {
            text.split(separator: " ").compactMap { word in
                let last = word.last.map { String($0.asciiValue ?? 0) } ?? ""
                return InternetAddress(host: word.first == "4" ? "192.0.2.\(last)" : "2001:db8::\(last)", port: 1)
            }
        }
        #expect(ConnectionRace.interleaved(addresses(given)) == addresses(expected))
    }
}

/// A listening socket whose backlog is full: connecting to it hangs.
struct FullBacklog: ~Copyable {
    private let descriptor: Int32
    private var fillers: [Int32] = []
    let port: UInt16

    init() throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.descriptor = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        _ = Self.withAddress(&address) { bind(descriptor, $0, $1) }
        listen(descriptor, 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        port = UInt16(bigEndian: address.sin_port)
        for _ in 0..<4 {
            let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            _ = Self.withAddress(&address) { connect(filler, $0, $1) }
            fillers.append(filler)
        }
    }

    deinit {
        for filler in fillers { close(filler) }
        close(descriptor)
    }

    private static func withAddress(
        _ address: inout sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}
