import Environment
import Primitives
import TestKit
import Testing
import WebSocketCodec

@testable import Transport

/// The writer rule on real sockets, where the kernel decides what is taken and what waits.
@Suite struct WebSocketOnSocketTests {
    /// 5,000 texts one way and 5,000 PINGs the other, at the same time, cut at random: every text once and in order, and
    /// exactly one PONG per PING, never inside a text.
    @Test(arguments: [1, 2]) func textsAndPongsNeverInterleave(seed: UInt64) async throws {
        let count = 5000
        try await withShard { shard in
            let port = try await shard.run { environment in
                let peers = WebSocketPeers(.server, on: environment) { peer in
                    var sent = 0
                    peer.onRoom = { peer in
                        while sent < count, peer.send(Self.text(sent)) { sent += 1 }
                        if sent < count { peer.connection.requestFlush() }
                    }
                    peer.connection.requestFlush()
                }
                let listener = try environment.listen(ListenSettings(hosts: ["127.0.0.1"], port: 0), acceptor: peers)
                environment.keep(listener)
                return listener.addresses[0].port
            }
            let client = try RawClient(port: port, receiveBuffer: 8192)
            var random = SeededRandom(seed: seed)
            var outgoing: [UInt8] = []
            for number in 0..<count {
                let frame = RawFrame(opcode: RawFrame.ping, isMasked: true, payload: Array("ping \(number)".utf8))
                outgoing += frame.encoded()
            }
            let frameByteCount = outgoing.count / count
            var reader = RawFrameReader(expectsMask: false)
            var (sentByteCount, texts, pongs) = (0, 0, 0)
            while texts < count || pongs < count {
                // At most some hundred PINGs are on their way, so that none is refused for a bound.
                if sentByteCount < outgoing.count, sentByteCount / frameByteCount - pongs < 400 {
                    let length = min(Int.random(in: 1...300, using: &random), outgoing.count - sentByteCount)
                    try client.send(outgoing[sentByteCount..<sentByteCount + length])
                    sentByteCount += length
                }
                for frame in try reader.frames(try client.receiveWhatIsThere(Int.random(in: 1...9000, using: &random)))
                {
                    switch frame.opcode {
                    case RawFrame.text:
                        guard frame.payloadText == Self.text(texts) else {
                            Issue.record("text \(texts) is missing or torn")
                            return
                        }
                        texts += 1
                    case RawFrame.pong:
                        guard frame.payloadText == "ping \(pongs)" else {
                            Issue.record("PONG \(pongs) is missing or torn")
                            return
                        }
                        pongs += 1
                    default:
                        Issue.record("nobody sent a frame \(frame.opcode)")
                        return
                    }
                }
            }
            #expect(sentByteCount == outgoing.count)
            #expect(reader.leftover == 0)
        }
    }

    private static func text(_ number: Int) -> String {
        "text \(number) " + String(repeating: "x", count: number * 37 % 700)
    }

    /// A peer that stops reading is dropped at the write deadline, alone: 50 other sessions go on meanwhile.
    @Test func aPeerThatStopsReadingIsDroppedAlone() async throws {
        let sessionCount = 50
        let ends = Journal<String>()
        let started = Journal<Void>()
        let stuck = Journal<Void>()
        let rounds = Journal<Int>()
        try await withShard { shard in
            let port = try await shard.run { environment in
                let peers = WebSocketPeers(.server, writeTimeout: .seconds(1), on: environment) { peer in
                    peer.onText = { peer, text in
                        if text == "flood" {
                            let block = String(repeating: "y", count: 60_000)
                            peer.onRoom = { peer in
                                while peer.send(block) {}
                                if stuck.entries.isEmpty { stuck.add(()) }
                            }
                            peer.connection.requestFlush()
                        } else {
                            #expect(peer.send(text.string))
                        }
                    }
                    peer.onEnd = { ends.add($0) }
                }
                let listener = try environment.listen(ListenSettings(hosts: ["127.0.0.1"], port: 0), acceptor: peers)
                environment.keep(listener)
                return listener.addresses[0].port
            }
            try await withShard { clients in
                // Each session plays ball without pause until the stuck one is gone, and three rounds more.
                await clients.run { environment in
                    for session in 0..<sessionCount {
                        let peers = WebSocketPeers(.client, on: environment) { peer in
                            var (round, during, last) = (0, 0, Int.max)
                            #expect(peer.send("\(session) 0"))
                            peer.onText = { peer, text in
                                #expect(text.string == "\(session) \(round)", "in order, and one's own")
                                if round == 0 { started.add(()) }
                                if !stuck.entries.isEmpty, last == .max { during += 1 }
                                if last == .max, !ends.entries.isEmpty { last = round + 3 }
                                round += 1
                                if round <= last {
                                    #expect(peer.send("\(session) \(round)"))
                                } else {
                                    rounds.add(during)
                                }
                            }
                        }
                        let endpoint = DialEndpoint(host: "127.0.0.1", port: port, security: .plain)
                        environment.dial(endpoint, timeout: .seconds(60), target: peers)
                    }
                }
                await started.wait(for: sessionCount)
                let flood = RawFrame(opcode: RawFrame.text, isMasked: true, payload: Array("flood".utf8))
                let silent = try RawClient(port: port, receiveBuffer: 4096)
                try silent.send(flood.encoded())
                let played = await rounds.wait(for: sessionCount)
                #expect(ends.entries == ["writeTimedOut"])
                // One is the round in which the end is seen.
                #expect(played.allSatisfy { $0 > 1 }, "nobody waited for the stuck one: \(played)")
                _ = consume silent
            }
        }
    }
}
