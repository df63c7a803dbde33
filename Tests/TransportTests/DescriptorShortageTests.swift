import Environment
import Glibc
import Primitives
import Testing

@testable import Transport

@Suite struct DescriptorShortageTests {
    /// Runs in a process of its own, since it takes all descriptors away.
    @Test func peersWaitWhileDescriptorsHaveRunOut() async {
        await #expect(processExitsWith: .success) {
            let log = CollectingLog()
            let shard = try Shard.start(Shard.Settings(name: "test", log: log))
            let port = try await shard.listen { handler in handler.onReceived = { $0.send($1.readOnly) } }

            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            limit.rlim_cur = 128
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var taken: [Int32] = []
            while true {
                let descriptor = open("/dev/null", O_RDONLY)
                if descriptor < 0 { break }
                taken.append(descriptor)
            }
            // One for the client; the connection then waits in the kernel.
            close(taken.removeLast())
            let client = try RawClient(port: port)
            try client.send("x")
            _ = await log.journal.wait(for: 1)

            let before = await shard.run { _ in threadTime() }
            await withCheckedContinuation { continuation in
                shard.post { environment in
                    _ = environment.schedule(at: environment.now + .milliseconds(350)) { continuation.resume() }
                }
            }
            let used = await shard.run { _ in threadTime() } - before
            precondition(used < 100_000_000, "the loop spins: \(used) ns of CPU time")
            precondition(log.journal.entries.count == 1, "\(log.journal.entries)")
            precondition(log.journal.entries[0].contains("accept_paused address=string(\"127.0.0.1:\(port)\")"))
            precondition(log.journal.entries[0].contains("too many open files"))

            for descriptor in taken { close(descriptor) }
            let answer = try client.receive(exactly: 1)
            precondition(answer == Array("x".utf8))
            await shard.stop()
        }
    }
}

private func threadTime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
}
