import Environment
import Transport

/// `--log-level` and `--log-format`, the same for each command that runs on.
enum LogOptions {
    static let level = ValueOption("log-level", "LEVEL", "debug, info, warn or error")
    static let format = ValueOption("log-format", "FORMAT", "json or text")

    /// Starts the log on standard error. `level` and `format` hold where no option says otherwise.
    static func writer(
        _ arguments: Arguments, level: LogRecord.Level = .info, format: LogFormat
    ) throws -> LogWriter {
        var settings = LogWriter.Settings()
        settings.minimumLevel = level
        settings.format = format
        if let name = arguments[Self.level] {
            guard let level = LogRecord.Level.allCases.first(where: { "\($0)" == name }) else {
                throw UsageError("--log-level takes debug, info, warn or error, not “\(name)”")
            }
            settings.minimumLevel = level
        }
        if let name = arguments[Self.format] {
            guard let format = LogFormat(rawValue: name) else {
                throw UsageError("--log-format takes json or text, not “\(name)”")
            }
            settings.format = format
        }
        return try LogWriter(settings: settings)
    }
}
