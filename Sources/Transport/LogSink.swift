package import Environment

/// Takes log records from any thread without blocking it.
package protocol LogSink: Sendable {
    /// `fields` is called at most once, before this returns, and not at all for a record that is not kept.
    func write(_ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields)
    /// Records that a full queue has cost, since the start.
    var droppedRecordCount: UInt64 { get }
}

extension LogSink {
    package func write(_ record: LogRecord) { write(record.level, record.event) { record.fields } }
}

/// Keeps nothing.
package struct DiscardingLog: LogSink {
    package init() {}
    package func write(
        _ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields
    ) {}
    package var droppedRecordCount: UInt64 { 0 }
}
