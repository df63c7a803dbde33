import Coordinator
import Environment
import Platform
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

/// A directory of its own that is removed with it.
final class TemporaryDirectory {
    let path: String

    init() {
        var template = Array("/tmp/trunkline-store-XXXXXX".utf8CString)
        path =
            mkdtemp(&template) == nil ? "/tmp" : template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        for name in ["", "-wal", "-shm", "-journal"] { unlink(file + name) }
        rmdir(path)
    }

    var file: String { path + "/coordinator.db" }

    func write(_ bytes: [UInt8], at offset: Int = 0) {
        let descriptor = open(file, O_WRONLY | O_CREAT, 0o600)
        bytes.withUnsafeBytes { _ = pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
        close(descriptor)
    }

    /// Of the database; nil if there is none.
    var permissions: UInt32? {
        var status = stat()
        return stat(file, &status) == 0 ? UInt32(status.st_mode) & 0o777 : nil
    }

    /// Every byte of the database and its write-ahead log.
    var content: String {
        var bytes: [UInt8] = []
        for name in ["", "-wal"] {
            let descriptor = open(file + name, O_RDONLY)
            guard descriptor >= 0 else { continue }
            var buffer = [UInt8](repeating: 0, count: 64 * 1024)
            while case let count = buffer.withUnsafeMutableBytes({ read(descriptor, $0.baseAddress, $0.count) }),
                count > 0
            {
                bytes += buffer.prefix(count)
            }
            close(descriptor)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What a store said, and a wait for it.
final class StoreWitness: Sendable {
    private struct Said {
        var notices: [StoreNotice] = []
        var records: [LogRecord] = []
    }
    private let said = Monitor(Said())

    @Sendable func log(_ record: LogRecord) {
        said.withLock { $0.records.append(record) }
        said.signal()
    }

    @Sendable func notify(_ notice: StoreNotice) {
        said.withLock { $0.notices.append(notice) }
        said.signal()
    }

    var events: [String] { said.withLock { $0.records.map { "\($0.event)" } } }

    /// The first notice that `pick` takes; nil after half a minute without one.
    func notice<Value: Sendable>(_ pick: (StoreNotice) -> Value?) -> Value? {
        said.wait(until: currentInstant() + .seconds(30)) { $0.notices.lazy.compactMap(pick).first }
    }
}

extension Store {
    /// Writes only when told to, or when a batch is full.
    static func quiet(
        _ path: String, _ witness: StoreWitness = StoreWitness(), _ change: (inout Settings) -> Void = { _ in }
    ) -> Store {
        var settings = Settings(path: path)
        settings.flushInterval = .seconds(3600)
        settings.busyTimeout = .zero
        settings.wallClock = { noon }
        change(&settings)
        return start(settings, log: witness.log, notify: witness.notify)
    }

    /// Ticks quickly.
    static func busy(
        _ path: String, _ witness: StoreWitness = StoreWitness(), _ change: (inout Settings) -> Void = { _ in }
    ) -> Store {
        quiet(path, witness) {
            $0.flushInterval = .milliseconds(5)
            change(&$0)
        }
    }
}

let noon = WallTime(nanoseconds: 1_790_000_000 * 1_000_000_000)

func request(_ id: String = "req-1", model: String = "test-model", status: Int = 200) -> RequestRecord {
    RequestRecord(time: noon, requestID: id, model: model, status: status, isStream: true, buyerHost: "198.51.100.7")
}

func sighting(_ id: String = "m1", at time: WallTime = noon, version: String = "1.2.0") -> ProviderSighting {
    ProviderSighting(providerID: id, hostname: "host.test", modelID: "test-model", binaryVersion: version, time: time)
}

/// A second connection, as another process would have it.
func look(_ path: String) throws -> Database { try Database(path: path, mustExist: true, busyTimeout: .seconds(5)) }

extension Database {
    func rows(_ sql: String, columns: Int32 = 1) throws -> [[String?]] {
        let statement = try prepare(sql)
        var rows: [[String?]] = []
        while try statement.next() { rows.append((0..<columns).map { statement.text($0) }) }
        return rows
    }
}
