import Environment
import Glibc
import Primitives
import Testing

@testable import Transport

@Suite(.serialized) struct SignalTests {
    @Test(arguments: ProcessSignal.allCases) func aSignalIsHeardOnTheLoopAsOftenAsItComes(signal: ProcessSignal)
        async throws
    {
        try await withShard { shard in
            let journal = Journal<Int32>()
            try await shard.run { environment in
                _ = try environment.onSignal(signal) { journal.add(signal.number) }
            }
            for count in 1...3 {
                kill(getpid(), signal.number)
                #expect(await journal.wait(for: count).count == count)
            }
        }
    }

    @Test func aCancelledSourceHearsNothingAndAnotherStillDoes() async throws {
        try await withShard { shard in
            let journal = Journal<String>()
            try await shard.run { environment in
                let first = try environment.onSignal(.hangUp) { journal.add("first") }
                try environment.onSignal(.hangUp) { journal.add("second") }
                first.cancel()
                first.cancel()
            }
            kill(getpid(), SIGHUP)
            #expect(await journal.wait(for: 1) == ["second"])
        }
    }

    @Test func writingToAPeerThatHasGoneIsNoSignal() async throws {
        try await withShard { shard in
            let journal = Journal<ConnectionEnd>()
            let port = try await shard.listen { handler in
                handler.connection.pauseReading()
                handler.onDeadline = { handler in
                    // The first write meets the closed socket and brings its reset, the second would bring SIGPIPE.
                    if handler.writeNow([1]) != .closed { handler.connection.setDeadline(.zero) }
                }
                handler.onClosed = { journal.add($1) }
            }
            let client = try RawClient(port: port)
            while await shard.run({ $0.only == nil }) {}
            _ = consume client
            await shard.run { $0.only?.setDeadline(.zero) }
            let ends = await journal.wait(for: 1)
            #expect(ends == [.failed(reason: "broken pipe")] || ends == [.failed(reason: "connection reset by peer")])
        }
    }
}
