import Environment
import Glibc
import Primitives
import Synchronization
import Testing

@testable import Transport

@Suite struct ShardTests {
    @Test func timersFireInOrderAndNeverEarly() async throws {
        try await withShard { shard in
            let journal = Journal<Int>()
            await shard.run { environment in
                let start = environment.now
                var random = SeededRandom(seed: 7)
                for _ in 0..<2000 {
                    let delay = Int.random(in: 0...60_000, using: &random)
                    _ = environment.schedule(at: start + .microseconds(delay)) {
                        #expect(environment.now >= start + .microseconds(delay))
                        journal.add(delay)
                    }
                }
            }
            let fired = await journal.wait(for: 2000)
            #expect(fired == fired.sorted())
        }
    }

    @Test func cancelledTimersDoNotFire() async throws {
        try await withShard { shard in
            let journal = Journal<Int>()
            await shard.run { environment in
                let start = environment.now
                let timers = (0..<2000).map { number in
                    environment.schedule(at: start + .milliseconds(number % 5)) { journal.add(number) }
                }
                for (number, timer) in timers.enumerated() where number % 2 == 0 {
                    environment.cancel(timer)
                    environment.cancel(timer)
                }
                _ = environment.schedule(at: start + .milliseconds(5)) { journal.add(-1) }
            }
            let fired = await journal.wait(for: 1001)
            #expect(fired.count == 1001)
            #expect(Set(fired.dropLast()) == Set(stride(from: 1, to: 2000, by: 2)))
            #expect(fired.last == -1)
        }
    }

    @Test func aTimerThatReschedulesItselfForNowDoesNotHoldTheLoop() async throws {
        try await withShard { shard in
            await shard.run { environment in
                func again() { _ = environment.schedule(at: environment.now) { again() } }
                again()
            }
            // The inbox is still served.
            for _ in 0..<10 { await shard.run { _ in } }
        }
    }

    @Test func deadlineFiresOnceAndCanBeMovedLaterAndEarlierAndAway() async throws {
        try await withShard { shard in
            let journal = Journal<Duration>()
            let port = try await shard.listen { handler in
                handler.onDeadline = { _ in journal.add(.zero) }
            }
            let client = try RawClient(port: port)
            while await shard.run({ $0.only == nil }) {}
            let start = await shard.run { environment in
                let connection = environment.only
                let start = environment.now
                connection?.setDeadline(start + .milliseconds(5))
                for later in 6...2000 { connection?.setDeadline(start + .milliseconds(later)) }
                #expect(environment.timers.count == 1, "moving later keeps the registered timer")
                connection?.setDeadline(start + .milliseconds(30))
                return start
            }
            await journal.wait(for: 1)
            let (end, timerCount) = await shard.run { ($0.now, $0.timers.count) }
            #expect(end >= start + .milliseconds(30))
            #expect(timerCount == 0)
            await shard.run { environment in
                environment.only?.setDeadline(environment.now + .milliseconds(2))
                environment.only?.setDeadline(nil)
            }
            await withCheckedContinuation { continuation in
                shard.post { environment in
                    _ = environment.schedule(at: environment.now + .milliseconds(10)) { continuation.resume() }
                }
            }
            #expect(journal.entries.count == 1)
            _ = consume client
        }
    }

    @Test func wakeUpsFromOtherThreadsAreCoalescedAndTheLoopDoesNotSpin() async throws {
        try await withShard { shard in
            let before = shard.wakeupCount
            let counter = Atomic<Int>(0)
            let gate = Atomic<Bool>(false)
            // While the loop is busy, everything that is posted waits for one wake-up.
            shard.post { _ in while !gate.load(ordering: .acquiring) { sched_yield() } }
            for _ in 0..<1000 { shard.post { _ in counter.wrappingAdd(1, ordering: .relaxed) } }
            gate.store(true, ordering: .releasing)
            await shard.run { _ in }
            #expect(counter.load(ordering: .relaxed) == 1000)
            let used = shard.wakeupCount - before
            #expect(used <= 4, "\(used) wake-ups")
            let quiet = shard.wakeupCount
            await withCheckedContinuation { continuation in
                shard.post { environment in
                    _ = environment.schedule(at: environment.now + .milliseconds(30)) { continuation.resume() }
                }
            }
            #expect(shard.wakeupCount - quiet <= 1)
        }
    }

    @Test func moreThanABatchOfWorkIsServedInSeveralTurns() async throws {
        try await withShard { shard in
            let count = LoopExecutor.batchCount * 2 + 10
            let before = shard.wakeupCount
            let gate = Atomic<Bool>(false)
            shard.post { _ in while !gate.load(ordering: .acquiring) { sched_yield() } }
            let journal = Journal<Int>()
            for number in 0..<count { shard.post { _ in journal.add(number) } }
            gate.store(true, ordering: .releasing)
            let entries = await journal.wait(for: count)
            #expect(entries == Array(0..<count))
            #expect(shard.wakeupCount - before >= 3)
        }
    }

    @Test func actorCallsFromManyTasksRunOnTheLoop() async throws {
        try await withShard { shard in
            let thread = await shard.run { _ in pthread_self() }
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<200 { group.addTask { await shard.run { _ in pthread_self() == thread } } }
                for await isSame in group { #expect(isSame) }
            }
        }
    }

    @Test func stoppingEndsConnectionsAndRunsActionsAndMayBeRepeated() async throws {
        let shard = try Shard.start()
        let journal = Journal<String>()
        let port = try await shard.listen { handler in
            journal.add("accepted")
            handler.onClosed = { journal.add($1 == .shutdown ? "shutdown" : "other") }
        }
        await shard.run { environment in environment.atShutdown { journal.add("action") } }
        let client = try RawClient(port: port)
        await journal.wait(for: 1)
        async let first: Void = shard.stop()
        async let second: Void = shard.stop()
        _ = await (first, second)
        #expect(journal.entries == ["accepted", "action", "shutdown"])
        #expect(try client.receiveAll() == [])
        await shard.stop()
        #expect(shard.post { _ in } == false)
        // A late call still returns.
        let isRunning = await shard.run { $0.isRunning }
        #expect(!isRunning)
        await #expect(throws: ListenError.self) { _ = try await shard.listen { _ in } }
    }

    @Test func objectsKeptOnTheLoopAreFoundAgainAndFreedAtTheEnd() async throws {
        final class Resident {
            let journal: Journal<String>
            init(_ journal: Journal<String>) { self.journal = journal }
            deinit { journal.add("freed") }
        }
        let journal = Journal<String>()
        try await withShard { shard in
            await shard.run { $0.keep(Resident(journal)) }
            let isThere = await shard.run { $0.resident(Resident.self) != nil }
            #expect(isThere)
        }
        #expect(journal.entries == ["freed"])
    }

    @Test func flushComesOncePerTurnHoweverOftenItWasAskedFor() async throws {
        try await withShard { shard in
            let journal = Journal<Int>()
            let port = try await shard.listen { handler in
                handler.onReceived = { handler, _ in for _ in 0..<100 { handler.send("x") } }
                handler.onFlush = { journal.add($0.outgoing.count) }
            }
            let client = try RawClient(port: port)
            try client.send("go")
            #expect(try client.receive(exactly: 100).count == 100)
            await shard.run { _ in }
            #expect(journal.entries == [0])
        }
    }

    @Test func whatATimerWritesLeavesBeforeTheLoopSleeps() async throws {
        try await withShard { shard in
            let port = try await shard.listen { handler in
                handler.connection.setDeadline(.zero)
                handler.onDeadline = { $0.send("from a timer") }
            }
            #expect(try RawClient(port: port).receive(exactly: 12) == Array("from a timer".utf8))
        }
    }

    @Test func randomBytesDiffer() async throws {
        try await withShard { shard in
            let ids = await shard.run { environment in (0..<100).map { _ in environment.randomID() } }
            #expect(Set(ids).count == 100)
        }
    }
}

extension ShardEnvironment {
    /// The one connection of a test.
    var only: SocketConnection? {
        var found: SocketConnection?
        forEachConnection { found = $0 }
        return found
    }
}
