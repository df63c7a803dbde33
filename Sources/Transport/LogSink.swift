package import Environment

/// Takes log records from any thread without blocking it.
package protocol LogSink: Sendable {
    func write(_ record: LogRecord)
}

/// Keeps nothing.
package struct DiscardingLog: LogSink {
    package init() {}
    package func write(_ record: LogRecord) {}
}
