import Environment
import Foundation
import Primitives
import Testing

@testable import Transport

@Suite struct TLSTests {
    let certificates: TestCertificates

    init() throws {
        certificates = try TestCertificates()
        try certificates.make("server")
    }

    /// A shard that trusts the test's certificate and a TLS listener on it.
    private func withTLSShard(
        trusting trustFile: String? = "server.pem", log: any LogSink = DiscardingLog(),
        handshakeTimeout: Duration = .seconds(10), _ setUp: @escaping @Sendable (ScriptedHandler) -> Void,
        _ body: (Shard, UInt16) async throws -> Void
    ) async throws {
        let (certificate, key) = (certificates.path("server.pem"), certificates.path("server.key"))
        let settings = Shard.Settings(name: "test", log: log, trustFile: trustFile.map(certificates.path))
        let shard = try Shard.start(settings)
        do {
            let port = try await shard.run { environment in
                var settings = ListenSettings(hosts: ["127.0.0.1"], port: 0)
                settings.handshakeTimeout = handshakeTimeout
                let context = try TLSServerContext(certificateFile: certificate, keyFile: key)
                let listener = try environment.listen(settings, tls: context, acceptor: ScriptedAcceptor(setUp))
                environment.keep(listener)
                environment.keep(context)
                return listener.addresses[0].port
            }
            try await body(shard, port)
        } catch {
            await shard.stop()
            throw error
        }
        await shard.stop()
    }

    private func endpoint(_ port: UInt16, host: String = "localhost", verified: Bool = true) -> DialEndpoint {
        DialEndpoint(host: host, port: port, security: verified ? .tls : .tlsUnverified)
    }

    @Test func bothSidesUnderstandEachOther() async throws {
        try await withTLSShard(echoOnce) { shard, port in
            for _ in 0..<3 { #expect(await shard.exchange(endpoint(port)) == .success("hello")) }
        }
    }

    @Test func aCertificateThatNobodyVouchesForIsRefused() async throws {
        let log = CollectingLog()
        try await withTLSShard(trusting: nil, log: log, echoOnce) { shard, port in
            let message =
                "TLS with localhost:\(port) failed: certificate refused: self-signed certificate"
            #expect(await shard.exchange(endpoint(port)) == .failure(.tlsFailed(message: message)))
            let entries = await log.journal.wait(for: 1)
            #expect(entries[0].hasPrefix("tls_handshake_failed peer=string(\"127.0.0.1\")"))
            #expect(await shard.exchange(endpoint(port, verified: false)) == .success("hello"))
        }
    }

    @Test func aCertificateForAnotherHostIsRefused() async throws {
        try await withTLSShard(echoOnce) { shard, port in
            // The listener's address is reachable under this name, but the certificate says "localhost".
            let byAddress = await shard.exchange(endpoint(port, host: "127.0.0.1"))
            let message = "TLS with 127.0.0.1:\(port) failed: certificate refused: IP address mismatch"
            #expect(byAddress == .failure(.tlsFailed(message: message)))
        }
        try certificates.make("server", host: "other.example")
        try await withTLSShard(echoOnce) { shard, port in
            let message = "TLS with localhost:\(port) failed: certificate refused: hostname mismatch"
            guard case .failure(.tlsFailed(let text)) = await shard.exchange(endpoint(port)) else {
                Issue.record("accepted")
                return
            }
            #expect(text.lowercased() == message.lowercased())
        }
    }

    @Test func addressesAreVerifiedToo() async throws {
        try certificates.make("server", host: "127.0.0.1")
        try await withTLSShard(echoOnce) { shard, port in
            #expect(await shard.exchange(endpoint(port, host: "127.0.0.1")) == .success("hello"))
        }
    }

    @Test func aServerThatSpeaksNoTLSIsAnError() async throws {
        try await withShard { shard in
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, _ in handler.send("HTTP/1.1 400 Bad Request\r\n\r\n") }
            }
            guard case .failure(.tlsFailed(let message)) = await shard.exchange(endpoint(port)) else {
                Issue.record("connected")
                return
            }
            #expect(message == "TLS with localhost:\(port) failed: wrong version number")
        }
    }

    @Test func aSilentServerTimesOut() async throws {
        try await withShard { shard in
            let port = try await shard.listen { _ in }
            #expect(await shard.exchange(endpoint(port), timeout: .milliseconds(50)) == .failure(.timedOut))
        }
    }

    @Test func aSilentClientIsCutAtTheHandshakeDeadline() async throws {
        let log = CollectingLog()
        try await withTLSShard(log: log, handshakeTimeout: .milliseconds(30), echoOnce) { _, port in
            let answer = try RawClient(port: port).receiveAll()
            #expect(answer.isEmpty)
            let entries = await log.journal.wait(for: 1)
            #expect(entries[0].contains("the TLS handshake took too long"))
        }
    }

    @Test func anEndWithoutCloseNotifyIsAFailure() async throws {
        let journal = Journal<ConnectionEnd>()
        try await withTLSShard({ handler in
            handler.onReceived = { _, _ in journal.add(.closedHere) }
            handler.onPeerFinished = { _ in Issue.record("taken for an orderly end") }
            handler.onClosed = { journal.add($1) }
        }) { shard, port in
            await shard.run { environment in
                let target = ScriptedTarget { handler in
                    handler.send("x")
                    handler.onFlush = { handler in
                        // Ends the stream below TLS.
                        environment.forEachConnection { connection in
                            if connection.handler === handler.connection as AnyObject { connection.finishWriting() }
                        }
                    }
                } failed: { _ in
                }
                environment.dial(endpoint(port), timeout: .seconds(60), target: target)
            }
            let ends = await journal.wait(for: 2)
            #expect(ends.last == .failed(reason: "TLS: the connection ended without close_notify"))
        }
    }

    @Test(arguments: [1, 2]) func muchDataAgainstASlowReader(seed: UInt64) async throws {
        let byteCount = 12_000_000
        let completions = Journal<Int>()
        let result = Journal<Bool>()
        try await withTLSShard({ handler in
            handler.onReceived = { handler, _ in
                let numbers = Array(0..<UInt32(byteCount / 4))
                numbers.withUnsafeBytes { handler.outgoing.append(ByteView($0)) }
                handler.connection.requestFlush()
            }
            handler.onWriteCompleted = { handler in
                completions.add(handler.outgoing.count)
                if handler.outgoing.isEmpty, !handler.isInFlight { handler.connection.finishWriting() }
            }
        }) { shard, port in
            await shard.run { environment in
                var random = SeededRandom(seed: seed)
                var bytes = ByteQueue()
                let target = ScriptedTarget { handler in
                    handler.send("go")
                    handler.onReceived = { handler, view in
                        bytes.append(view.readOnly)
                        if random.chance(0.2) {
                            handler.connection.pauseReading()
                            handler.connection.setDeadline(environment.now + .milliseconds(1))
                        }
                    }
                    handler.onDeadline = { $0.connection.resumeReading() }
                    handler.onPeerFinished = { handler in
                        let expected = Array(0..<UInt32(byteCount / 4))
                        result.add(bytes.view.buffer.elementsEqual(expected.withUnsafeBytes { Array($0) }))
                        handler.connection.close()
                    }
                    handler.onClosed = { #expect($1 == .closedHere) }
                } failed: { _ in
                    result.add(false)
                }
                environment.dial(endpoint(port), timeout: .seconds(60), target: target)
            }
            #expect(await result.wait(for: 1) == [true])
            #expect(!completions.entries.isEmpty, "some batch did not fit")
        }
    }

    @Test(arguments: ["-tls1_2", "-tls1_3"]) func theReferenceClientIsServed(version: String) async throws {
        try await withTLSShard(echoOnce) { _, port in
            let output = try certificates.run(
                [
                    "s_client", "-connect", "127.0.0.1:\(port)", "-servername", "localhost", version,
                    "-CAfile", certificates.path("server.pem"), "-verify_return_error", "-verify_hostname", "localhost",
                    "-alpn", "http/1.1",
                ], input: "hello there\n")
            #expect(output.contains("hello there"))
            #expect(output.contains("Verify return code: 0 (ok)"))
            #expect(output.contains("ALPN protocol: http/1.1"))
            #expect(output.contains(version == "-tls1_2" ? "TLSv1.2" : "TLSv1.3"))
        }
    }

    @Test func oldVersionsAndOtherProtocolsAreRefused() async throws {
        try await withTLSShard(echoOnce) { _, port in
            for arguments in [["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-alpn", "h2"]] {
                let output = try certificates.run(
                    ["s_client", "-connect", "127.0.0.1:\(port)"] + arguments, input: "hello there\n")
                #expect(!output.contains("hello there"))
                #expect(output.contains("alert"))
            }
        }
    }

    @Test func aKeyUpdateFromThePeerIsAnswered() async throws {
        let received = Journal<String>()
        try await withTLSShard({ handler in
            handler.onReceived = { handler, bytes in
                received.add(bytes.readOnly.string)
                handler.send("answer \(received.entries.count)\n")
                if received.entries.count == 3 { handler.onFlush = { $0.connection.finishWriting() } }
            }
        }) { _, port in
            // In its interactive mode a line that is "K" asks for new keys on both sides.
            let output = try certificates.interact(
                ["s_client", "-connect", "127.0.0.1:\(port)", "-tls1_3"],
                [("first", "answer 1"), ("K", "KEYUPDATE"), ("second", "answer 2"), ("third", "answer 3")])
            #expect(output.contains("answer 3"))
            #expect(received.entries == ["first\n", "second\n", "third\n"])
        }
    }

    @Test func reloadServesTheNewCertificateAndKeepsTheOldWhenTheFilesAreBad() async throws {
        try await withTLSShard(echoOnce) { shard, port in
            #expect(await shard.exchange(endpoint(port)) == .success("hello"))
            let old = certificates.path("server.pem")

            try Data("no certificate".utf8).write(to: URL(filePath: old))
            let error = await #expect(throws: TLSError.self) {
                try await shard.run { try $0.resident(TLSServerContext.self)?.reload() }
            }
            #expect(error?.kind == .certificate)
            #expect(error?.description.hasPrefix("certificate \(old): ") == true)
            #expect(await shard.exchange(endpoint(port)) == .success("hello"))

            try certificates.make("server")
            try await shard.run { try $0.resident(TLSServerContext.self)?.reload() }
            guard case .failure(.tlsFailed) = await shard.exchange(endpoint(port)) else {
                Issue.record("the old certificate is still shown")
                return
            }
            #expect(await shard.exchange(endpoint(port, verified: false)) == .success("hello"))
        }
    }

    @Test func badFilesAreErrorsThatNameThem() async throws {
        try certificates.make("other")
        let (pem, key) = (certificates.path("server.pem"), certificates.path("server.key"))
        let otherKey = certificates.path("other.key")
        let missing = certificates.path("missing.pem")
        let cases: [(String, String, String)] = [
            (missing, key, "certificate \(missing): no such file or directory"),
            (pem, missing, "private key \(missing): no such file or directory"),
            (pem, otherKey, "private key \(otherKey): key values mismatch"),
            (key, key, "certificate \(key): no start line"),
        ]
        for (certificate, key, text) in cases {
            let error = #expect(throws: TLSError.self) {
                _ = try TLSServerContext(certificateFile: certificate, keyFile: key)
            }
            #expect(error?.description == text)
        }
        #expect(throws: TLSError.self) { _ = try TLSClientContext(trustFile: missing) }
    }
}
