package import Environment

/// Takes log records from any thread without blocking it.
package protocol LogSink: Sendable {
    func write(_ record: LogRecord)
    /// Records that a full queue has cost, since the start.
    var droppedRecordCount: UInt64 { get }
}

/// Keeps nothing.
package struct DiscardingLog: LogSink {
    package init() {}
    package func write(_ record: LogRecord) {}
    package var droppedRecordCount: UInt64 { 0 }
}
