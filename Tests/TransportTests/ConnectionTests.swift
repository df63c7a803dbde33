import Environment
import Glibc
import Primitives
import Testing

@testable import Transport

@Suite struct ConnectionTests {
    @Test(arguments: [1, 2, 3]) func echoesUnderRandomSplits(seed: UInt64) async throws {
        try await withShard { shard in
            let port = try await shard.listen { handler in
                handler.onReceived = { $0.send($1.readOnly) }
            }
            var random = SeededRandom(seed: seed)
            let sent = (0..<300_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            let client = try RawClient(port: port)
            var received: [UInt8] = []
            var offset = 0
            while offset < sent.count {
                let length = min(Int.random(in: 1...20_000, using: &random), sent.count - offset)
                try client.send(sent[offset..<offset + length])
                offset += length
                received += try client.receive(exactly: offset - received.count)
            }
            #expect(received == sent)
        }
    }

    @Test func slowReaderGetsEverythingInOrderWithOneBatchInFlight() async throws {
        try await withShard { shard in
            let byteCount = 8_000_000
            let journal = Journal<Int>()
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, _ in
                    let numbers = Array(0..<UInt32(byteCount / 4))
                    numbers.withUnsafeBytes { handler.outgoing.append(ByteView($0)) }
                    handler.connection.requestFlush()
                }
                handler.onWriteCompleted = { journal.add($0.outgoing.count) }
            }
            let client = try RawClient(port: port, receiveBuffer: 4096)
            try client.send("go")
            // Nothing is read until a batch has got stuck, which the next completion would prove; the kernel takes a few
            // megabytes at most.
            let bytes = try client.receive(exactly: byteCount)
            let numbers = bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
            #expect(numbers == Array(0..<UInt32(byteCount / 4)))
            let waiting = journal.entries
            #expect(!waiting.isEmpty, "some batch did not fit")
            #expect(waiting == waiting.sorted(by: >), "completions come in order")
        }
    }

    @Test func resetIsAFailureAndSaidOnce() async throws {
        try await withShard { shard in
            let journal = Journal<ConnectionEnd>()
            let port = try await shard.listen { handler in
                handler.onReceived = { $0.send($1.readOnly) }
                handler.onClosed = { handler, end in
                    journal.add(end)
                    #expect(!handler.wasNested)
                    #expect(handler.writeNow([1]) == .closed)
                }
            }
            let client = try RawClient(port: port)
            try client.send("x")
            _ = try client.receive(exactly: 1)
            client.reset()
            let ends = await journal.wait(for: 1)
            #expect(ends == [.failed(reason: "connection reset by peer")])
        }
    }

    @Test func peerFinishesAndStillGetsItsAnswer() async throws {
        try await withShard { shard in
            let journal = Journal<ConnectionEnd>()
            let port = try await shard.listen { handler in
                handler.onPeerFinished = { handler in
                    handler.send("late answer")
                    handler.onFlush = { $0.connection.close() }
                }
                handler.onClosed = { journal.add($1) }
            }
            let client = try RawClient(port: port)
            try client.send("request")
            client.finishSending()
            #expect(try client.receiveAll() == Array("late answer".utf8))
            #expect(await journal.wait(for: 1) == [.closedHere])
        }
    }

    @Test func finishedWritingStillReads() async throws {
        try await withShard { shard in
            let journal = Journal<String>()
            let port = try await shard.listen { handler in
                handler.send("all of it")
                handler.onFlush = { handler in
                    handler.connection.finishWriting()
                    handler.connection.finishWriting()
                    #expect(handler.writeNow([1]) == .closed)
                }
                handler.onReceived = { journal.add($1.readOnly.string) }
                handler.onPeerFinished = { handler in
                    journal.add("end")
                    handler.connection.close()
                }
            }
            let client = try RawClient(port: port)
            #expect(try client.receiveAll() == Array("all of it".utf8))
            try client.send("after your end")
            #expect(await journal.wait(for: 1) == ["after your end"])
            client.finishSending()
            #expect(await journal.wait(for: 2) == ["after your end", "end"])
        }
    }

    @Test func finishWritingWaitsForTheBatchInFlight() async throws {
        try await withShard { shard in
            let journal = Journal<String>()
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, _ in
                    var outcome = WriteOutcome.written
                    let batch = [UInt8](repeating: 7, count: WriteHalf.batchByteCount)
                    var count = 0
                    while outcome == .written {
                        outcome = handler.writeNow(batch)
                        count += 1
                    }
                    journal.add("\(count)")
                    handler.connection.finishWriting()
                }
                handler.onWriteCompleted = { _ in journal.add("completed") }
            }
            let client = try RawClient(port: port, receiveBuffer: 4096)
            try client.send("x")
            let count = Int(await journal.wait(for: 1)[0]) ?? 0
            #expect(try client.receiveAll().count == count * WriteHalf.batchByteCount)
            #expect(await journal.wait(for: 2)[1] == "completed")
        }
    }

    @Test func pausedReadingIsCountedAndHoldsThePeerBack() async throws {
        try await withShard { shard in
            let journal = Journal<String>()
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, bytes in
                    journal.add(bytes.readOnly.string)
                    handler.connection.pauseReading()
                    handler.connection.pauseReading()
                    handler.send("paused")
                }
                handler.onDeadline = { $0.connection.resumeReading() }
            }
            let client = try RawClient(port: port)
            try client.send("one")
            #expect(try client.receive(exactly: 6) == Array("paused".utf8))
            try client.send("two")
            await shard.resumeOnly()
            #expect(journal.entries == ["one"])
            await shard.resumeOnly()
            #expect(await journal.wait(for: 2) == ["one", "two"])
        }
    }

    @Test(arguments: [true, false]) func aPausedConnectionNoticesThatItsPeerHasGone(byReset: Bool) async throws {
        try await withShard { shard in
            let journal = Journal<String>()
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, _ in
                    handler.connection.pauseReading()
                    handler.send("paused")
                }
                handler.onPeerFinished = { handler in
                    journal.add("finished")
                    handler.connection.close()
                }
                handler.onClosed = { journal.add($1 == .closedHere ? "closed" : "failed") }
            }
            let client = try RawClient(port: port)
            try client.send("one")
            #expect(try client.receive(exactly: 6) == Array("paused".utf8))
            if byReset {
                try client.send("unread bytes hide a reset from reading")
                client.reset()
                #expect(await journal.wait(for: 1) == ["failed"])
            } else {
                _ = consume client
                #expect(await journal.wait(for: 2) == ["finished", "closed"])
            }
        }
    }

    @Test func closingWithUnreadInputDoesNotLoseTheAnswer() async throws {
        try await withShard { shard in
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, _ in
                    handler.connection.pauseReading()
                    handler.send("paused")
                }
                handler.onDeadline = { handler in
                    _ = handler.writeNow(Array("413".utf8))
                    handler.connection.close()
                }
            }
            for _ in 0..<20 {
                let client = try RawClient(port: port)
                try client.send("x")
                #expect(try client.receive(exactly: 6) == Array("paused".utf8))
                try client.send([UInt8](repeating: 1, count: 40_000))
                await shard.run { environment in
                    environment.forEachConnection { $0.setDeadline(.zero) }
                }
                #expect(try client.receiveAll() == Array("413".utf8))
            }
        }
    }

    @Test func acceptorThatSetsNoHandlerClosesTheConnection() async throws {
        final class Deaf: ConnectionAcceptor {
            func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {}
        }
        try await withShard { shard in
            let port = try await shard.run { environment in
                let listener = try environment.listen(ListenSettings(hosts: ["127.0.0.1"], port: 0), acceptor: Deaf())
                environment.keep(listener)
                return listener.addresses[0].port
            }
            #expect(try RawClient(port: port).receiveAll() == [])
        }
    }

    @Test func acceptedSocketsSendSmallWritesAtOnceAndKeepAlive() async throws {
        try await withShard { shard in
            let journal = Journal<PeerAddress>()
            let port = try await shard.listen { journal.add($0.connection.peer) }
            let client = try RawClient(port: port)
            let peers = await journal.wait(for: 1)
            #expect(peers[0].host == "127.0.0.1")
            #expect(option(acceptedFrom: client.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) != 0)
            #expect(option(acceptedFrom: client.descriptor, SOL_SOCKET, SO_KEEPALIVE) != 0)
        }
    }

    /// Looks through this process's descriptors for the other end of `client`.
    private func option(acceptedFrom client: Int32, _ level: Int32, _ name: Int32) -> Int32? {
        var local = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        func lookUp(_ call: (UnsafeMutablePointer<sockaddr>) -> Int32, _ address: inout sockaddr_in) -> Int32 {
            withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0) }
            }
        }
        guard lookUp({ getsockname(client, $0, &length) }, &local) == 0 else { return nil }
        for descriptor in Int32(3)..<1024 where descriptor != client {
            var peer = sockaddr_in()
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            guard lookUp({ getpeername(descriptor, $0, &length) }, &peer) == 0 else { continue }
            guard peer.sin_family == sa_family_t(AF_INET), peer.sin_port == local.sin_port else { continue }
            var value: Int32 = 0
            length = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(descriptor, level, name, &value, &length) == 0 else { continue }
            return value
        }
        return nil
    }
}

extension Shard {
    /// Takes back one pause on the only connection, through its deadline.
    nonisolated func resumeOnly() async {
        await run { environment in environment.only?.setDeadline(.zero) }
        // The deadline fires in a turn of its own; a later timer proves that it has.
        await withCheckedContinuation { continuation in
            post { environment in
                _ = environment.schedule(at: environment.now + .milliseconds(20)) { continuation.resume() }
            }
        }
    }
}
