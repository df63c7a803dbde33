import Environment
import Primitives
import Synchronization
import Testing
import Transport

/// What happened, collected on a loop and awaited by a test.
final class Journal<Entry: Sendable>: Sendable {
    private struct State {
        var entries: [Entry] = []
        var waiting: [(count: Int, continuation: CheckedContinuation<[Entry], Never>)] = []
    }
    private let state = Mutex(State())

    func add(_ entry: Entry) {
        let ready = state.withLock { state in
            state.entries.append(entry)
            let entries = state.entries
            let ready = state.waiting.filter { $0.count <= entries.count }
            state.waiting.removeAll { $0.count <= entries.count }
            return ready.map { ($0.continuation, entries) }
        }
        for (continuation, entries) in ready { continuation.resume(returning: entries) }
    }

    var entries: [Entry] { state.withLock { $0.entries } }

    /// All entries, as soon as there are `count`.
    @discardableResult
    func wait(for count: Int) async -> [Entry] {
        await withCheckedContinuation { continuation in
            let entries: [Entry]? = state.withLock { state in
                if state.entries.count >= count { return state.entries }
                state.waiting.append((count, continuation))
                return nil
            }
            if let entries { continuation.resume(returning: entries) }
        }
    }
}

/// A handler made of closures. It owns the write half and sends what waits in ``outgoing``, a batch at a time.
final class ScriptedHandler: ConnectionHandler {
    let connection: any Connection
    private let writeHalf: WriteHalf
    var outgoing = ByteQueue()
    private(set) var isInFlight = false

    var onReceived: (ScriptedHandler, MutableByteView) -> Void = { _, _ in }
    var onPeerFinished: (ScriptedHandler) -> Void = { $0.connection.close() }
    var onWriteCompleted: (ScriptedHandler) -> Void = { _ in }
    var onDeadline: (ScriptedHandler) -> Void = { _ in }
    var onClosed: (ScriptedHandler, ConnectionEnd) -> Void = { _, _ in }
    var onFlush: (ScriptedHandler) -> Void = { _ in }
    /// Proves that no call comes inside another.
    private(set) var depth = 0
    private(set) var wasNested = false

    init(_ connection: any Connection, _ writeHalf: consuming WriteHalf) {
        self.connection = connection
        self.writeHalf = writeHalf
        connection.handler = self
    }

    private func called(_ body: () -> Void) {
        if depth > 0 { wasNested = true }
        depth += 1
        body()
        depth -= 1
    }

    func send(_ bytes: ByteView) {
        outgoing.append(bytes)
        connection.requestFlush()
    }

    func send(_ text: String) {
        outgoing.append(text)
        connection.requestFlush()
    }

    /// Writes straight to the socket.
    func writeNow(_ bytes: [UInt8]) -> WriteOutcome { withByteView(bytes) { writeHalf.write($0) } }

    private func pump() {
        while !isInFlight, !outgoing.isEmpty {
            let batch = outgoing.view.prefix(WriteHalf.batchByteCount)
            let count = batch.count
            let outcome = writeHalf.write(batch)
            outgoing.consume(count)
            switch outcome {
            case .written: continue
            case .inFlight: isInFlight = true
            case .closed: outgoing.removeAll()
            }
        }
    }

    func received(_ bytes: MutableByteView) { called { onReceived(self, bytes) } }
    func peerFinished() { called { onPeerFinished(self) } }
    func flush() {
        called {
            pump()
            onFlush(self)
        }
    }
    func writeCompleted() {
        called {
            isInFlight = false
            pump()
            onWriteCompleted(self)
        }
    }
    func deadlineReached() { called { onDeadline(self) } }
    func closed(_ end: ConnectionEnd) { called { onClosed(self, end) } }
}

/// An acceptor made of a closure that sets up a ``ScriptedHandler``.
final class ScriptedAcceptor: ConnectionAcceptor {
    private let setUp: (ScriptedHandler) -> Void
    init(_ setUp: @escaping (ScriptedHandler) -> Void) { self.setUp = setUp }
    func accepted(_ connection: any Connection, writeHalf: consuming WriteHalf) {
        setUp(ScriptedHandler(connection, writeHalf))
    }
}

extension Shard {
    /// Listens on loopback and gives the port.
    nonisolated func listen(
        _ settings: ListenSettings = ListenSettings(hosts: ["127.0.0.1"], port: 0),
        _ setUp: @escaping @Sendable (ScriptedHandler) -> Void
    ) async throws -> UInt16 {
        try await run { environment in
            let listener = try environment.listen(settings, acceptor: ScriptedAcceptor(setUp))
            environment.keep(listener)
            return listener.addresses[0].port
        }
    }
}

func withShard(_ log: any LogSink = DiscardingLog(), _ body: (Shard) async throws -> Void) async throws {
    let shard = try Shard.start(Shard.Settings(name: "test", log: log))
    do {
        try await body(shard)
    } catch {
        await shard.stop()
        throw error
    }
    await shard.stop()
}
