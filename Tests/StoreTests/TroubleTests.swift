import Coordinator
import Primitives
import Testing

@testable import Store

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

@Suite("A database in trouble")
struct TroubleTests {
    @Test func aFullBatchIsWrittenWithoutWaitingForTheTick() {
        let directory = TemporaryDirectory()
        let store = Store.quiet(directory.file) { $0.batchCount = 10 }
        defer { store.stop() }
        for number in 0..<9 { store.requestFinished(request("req-\(number)")) }
        #expect(store.health.queuedCount == 9)
        store.requestFinished(request("req-9"))
        #expect(store.wait(upTo: .seconds(30)) { $0.writtenCount == 10 && $0.queuedCount == 0 })
    }

    @Test func aTickWritesWhatIsNoFullBatch() {
        let directory = TemporaryDirectory()
        let store = Store.busy(directory.file)
        defer { store.stop() }
        store.requestFinished(request())
        #expect(store.wait(upTo: .seconds(30)) { $0.writtenCount == 1 })
    }

    @Test func aLockedFileFillsTheQueueAndNothingElse() throws {
        let directory = TemporaryDirectory()
        let witness = StoreWitness()
        let store = Store.busy(directory.file, witness) {
            $0.queueLimit = 100
            $0.batchCount = 30
        }
        defer { store.stop() }
        let other = try look(directory.file)
        try other.execute("BEGIN IMMEDIATE")
        for number in 0..<250 { store.requestFinished(request("req-\(number)")) }
        store.providerSeen(sighting("m1", at: noon))
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .degraded(reason: "locked") && $0.errorCount > 2 })
        store.providerSeen(sighting("m1", at: noon + .seconds(5)))
        #expect(store.health.droppedCount == 150)
        #expect(store.health.queuedCount <= 102)
        #expect(store.health.writtenCount == 0)
        try other.execute("ROLLBACK")
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .ok && $0.writtenCount >= 101 && $0.queuedCount == 0 })
        let numbers = try other.rows("SELECT request_id FROM request_log ORDER BY id").compactMap { $0[0] }
        #expect(numbers == (0..<100).map { "req-\($0)" })
        #expect(
            try other.rows("SELECT first_seen_at, last_seen_at FROM provisional_providers", columns: 2)
                == [["2026-09-21T14:13:20.000Z", "2026-09-21T14:13:25.000Z"]])
        // However often it was tried.
        #expect(witness.events.count { $0 == "storage_failed" } == 1)
        #expect(witness.events.count { $0 == "storage_rows_dropped" } == 1)
        #expect(witness.events.count { $0 == "storage_recovered" } == 1)
    }

    @Test func aFullDiskIsSurvivedAndForgottenWhenThereIsRoom() throws {
        let directory = TemporaryDirectory()
        let witness = StoreWitness()
        let store = Store.busy(directory.file, witness) {
            $0.pragmas = ["max_page_count = 40"]
            $0.batchCount = 20
        }
        defer { store.stop() }
        let long = String(repeating: "x", count: 200)
        for number in 0..<2_000 { store.requestFinished(request("req-\(number)", model: long)) }
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .degraded(reason: "full") })
        let other = try look(directory.file)
        // What was written stays, and room is made for the rest by deleting it as it comes.
        for _ in 0..<1_000 where store.health.queuedCount > 0 {
            try other.execute("DELETE FROM request_log")
            _ = store.wait(upTo: .milliseconds(50)) { $0.queuedCount == 0 }
        }
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .ok && $0.queuedCount == 0 })
        #expect(store.health.droppedCount == 0)
        #expect(store.health.writtenCount == 2_000)
    }

    @Test func aReadOnlyFileStillSaysWhoMayComeIn() throws {
        let directory = TemporaryDirectory()
        do {
            let registry = try TokenRegistry(path: directory.file, mustExist: false)
            _ = try registry.issue(providerName: "m1", now: noon)
            // Something that a migration would have to write.
            try look(directory.file).execute("PRAGMA user_version = 1")
        }
        let store = Store.quiet(directory.file) { $0.pragmas = ["query_only = 1"] }
        #expect(store.records?.tokens.map(\.providerName) == ["m1"])
        store.requestFinished(request())
        store.synchronize()
        #expect(store.health.status == .degraded(reason: "read_only"))
        #expect(store.health.queuedCount == 1)
        store.stop()
        #expect(store.health.droppedCount == 1)
    }

    @Test(.enabled(if: geteuid() != 0, "everything is writable to the superuser"))
    func aDirectoryThatMayNotBeWrittenIsTriedAgain() {
        let directory = TemporaryDirectory()
        chmod(directory.path, 0o555)
        let store = Store.busy(directory.file)
        #expect(store.records == nil)
        #expect(store.health.status == .degraded(reason: "unavailable"))
        chmod(directory.path, 0o755)
        store.requestFinished(request())
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .ok && $0.writtenCount == 1 })
        store.stop()
    }

    @Test func aDirectoryThatIsMissingIsTriedAgain() throws {
        let directory = TemporaryDirectory()
        let witness = StoreWitness()
        rmdir(directory.path)
        let store = Store.busy(directory.file, witness)
        defer { store.stop() }
        #expect(store.records == nil)
        #expect(store.health.status == .degraded(reason: "unavailable"))
        store.requestFinished(request())
        mkdir(directory.path, 0o700)
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .ok && $0.writtenCount == 1 })
        let loaded = witness.notice { notice -> StoredRecords? in
            if case .recordsLoaded(let records) = notice { records } else { nil }
        }
        #expect(loaded == StoredRecords())
    }

    @Test(arguments: [
        Array("this is no database at all, and long enough to be looked at".utf8),
        // The right header, and then nothing that makes sense.
        Array("SQLite format 3\0".utf8) + [UInt8](repeating: 0x5A, count: 8176),
    ])
    func aDamagedFileIsNeitherUsedNorTouched(_ bytes: [UInt8]) {
        let directory = TemporaryDirectory()
        directory.write(bytes)
        let store = Store.busy(directory.file)
        #expect(store.records == nil)
        #expect(store.health.status == .degraded(reason: "corrupt"))
        store.requestFinished(request())
        #expect(store.wait(upTo: .seconds(30)) { $0.errorCount > 1 })
        #expect(directory.content.utf8.elementsEqual(String(decoding: bytes, as: UTF8.self).utf8))
        // Moved away by the operator.
        unlink(directory.file)
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .ok && $0.writtenCount == 1 })
        store.stop()
    }

    @Test func aPageThatIsDamagedLaterIsReported() throws {
        let directory = TemporaryDirectory()
        let first = Store.quiet(directory.file)
        for number in 0..<500 { first.requestFinished(request("req-\(number)")) }
        first.stop()
        directory.write([UInt8](repeating: 0xFF, count: 40 * 1024), at: 8 * 1024)
        let store = Store.busy(directory.file)
        for number in 0..<100 { store.requestFinished(request("again-\(number)")) }
        #expect(store.wait(upTo: .seconds(30)) { $0.status == .degraded(reason: "corrupt") })
        store.stop()
        #expect(store.health.queuedCount == 0)
    }

    @Test func oneRowThatIsRefusedDoesNotHoldUpTheOthers() throws {
        let directory = TemporaryDirectory()
        Store.quiet(directory.file).stop()
        try look(directory.file).execute(
            """
            CREATE TRIGGER poison BEFORE INSERT ON request_log WHEN NEW.model = 'poison'
            BEGIN SELECT RAISE(ABORT, 'refused'); END
            """)
        let store = Store.quiet(directory.file)
        for model in ["a", "poison", "b"] { store.requestFinished(request(model: model)) }
        store.synchronize()
        #expect(store.health.status == .ok)
        #expect(store.health.errorCount == 1)
        #expect(store.health.queuedCount == 0)
        store.stop()
        #expect(try look(directory.file).rows("SELECT model FROM request_log ORDER BY id") == [["a"], ["b"]])
    }

    @Test func stoppingWritesWhatWaitsAndLaterRecordsAreCounted() throws {
        let directory = TemporaryDirectory()
        let store = Store.quiet(directory.file)
        for number in 0..<1_200 { store.requestFinished(request("req-\(number)")) }
        store.stop()
        store.stop()
        store.requestFinished(request("late"))
        #expect(!store.listProvisional(1))
        store.synchronize()
        #expect(store.health.writtenCount == 1_200)
        #expect(store.health.droppedCount == 1)
        #expect(try look(directory.file).integer("SELECT count(*) FROM request_log") == 1_200)
        // A clean end leaves no log behind.
        #expect(access(directory.file + "-wal", F_OK) != 0)
    }

    @Test func aKilledProcessLosesNothingThatWasReportedWritten() async throws {
        let directory = TemporaryDirectory()
        let path = directory.file
        await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
            let store = Store.quiet(path) { $0.batchCount = 50 }
            for number in 0... {
                store.requestFinished(request("req-\(number)"))
                store.providerSeen(sighting("m\(number % 7)"))
                // In the middle of whatever the store's thread is doing.
                if store.health.writtenCount > 5_000 { kill(getpid(), SIGKILL) }
            }
        }
        let database = try look(path)
        #expect(try database.text("PRAGMA integrity_check") == "ok")
        let count = try database.integer("SELECT count(*) FROM request_log")
        #expect(count > 4_000)
        // Whole batches, in order, without a hole.
        #expect(try database.integer("SELECT count(*) FROM request_log WHERE request_id = 'req-' || (id - 1)") == count)
        let store = Store.quiet(path)
        store.requestFinished(request("after"))
        store.stop()
        #expect(store.health.status == .ok)
        #expect(try database.integer("SELECT count(*) FROM request_log") == count + 1)
    }
}
