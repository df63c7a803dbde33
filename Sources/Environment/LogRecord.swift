/// One line of the log, before it is formatted: level, event and fields. Never a prompt, an answer or a token.
package struct LogRecord: Sendable {
    package enum Level: Int, Sendable, Comparable, CaseIterable {
        case debug, info, warn, error
        package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
    }

    package enum Value: Sendable, Equatable {
        case string(String)
        case int(Int)
        case double(Double)
        case bool(Bool)
    }

    package typealias Fields = [(StaticString, Value)]

    package var level: Level
    /// A fixed name, `snake_case`; what varies stands in the fields.
    package var event: StaticString
    package var fields: Fields

    package init(_ level: Level, _ event: StaticString, _ fields: Fields = []) {
        self.level = level
        self.event = event
        self.fields = fields
    }
}

extension LogRecord.Value: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int) { self = .int(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
}
