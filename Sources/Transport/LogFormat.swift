package import Environment
package import Primitives

/// How a log record becomes one line. Whatever a field holds, a record is exactly one line, and no terminal takes a part
/// of it for a command.
package enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object: `ts` (RFC 3339), `level`, `event`, then the fields.
    case json
    /// `2026-01-31T09:15:00.123Z WARN event key=value key="quoted value"`, for people at a terminal.
    case text

    /// Bytes of a text value that are written at most.
    static let valueByteCount = 4096

    package func append(_ record: LogRecord, at time: WallTime, to output: inout ByteQueue) {
        switch self {
        case .json:
            output.append("{\"ts\":\"")
            output.append(time.rfc3339)
            output.append("\",\"level\":\"")
            output.append(record.level.name)
            output.append("\",\"event\":")
            appendQuoted(String(describing: record.event), to: &output)
            for (key, value) in record.fields {
                output.append(UInt8(ascii: ","))
                appendQuoted(String(describing: key), to: &output)
                output.append(UInt8(ascii: ":"))
                appendJSON(value, to: &output)
            }
            output.append("}\n")
        case .text:
            output.append(time.rfc3339)
            output.append(UInt8(ascii: " "))
            output.append(record.level.name.uppercased())
            output.append(UInt8(ascii: " "))
            appendPlain(String(describing: record.event), to: &output)
            for (key, value) in record.fields {
                output.append(UInt8(ascii: " "))
                appendPlain(String(describing: key), to: &output)
                output.append(UInt8(ascii: "="))
                if case .string(let text) = value {
                    appendPlain(text, to: &output)
                } else {
                    appendJSON(value, to: &output)
                }
            }
            output.append("\n")
        }
    }

    private func appendJSON(_ value: LogRecord.Value, to output: inout ByteQueue) {
        switch value {
        case .string(let text): appendQuoted(text, to: &output)
        case .int(let number): output.append(decimal: number)
        case .double(let number): output.append(number.isFinite ? number.description : "null")
        case .bool(let flag): output.append(flag ? "true" : "false")
        }
    }

    private func appendPlain(_ text: String, to output: inout ByteQueue) {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-")...UInt8(ascii: ":"),
                    UInt8(ascii: "_"), UInt8(ascii: "@"), UInt8(ascii: "+"), UInt8(ascii: "["), UInt8(ascii: "]"):
                    true
                default:
                    false
                }
            }
        if isPlain, text.utf8.count <= Self.valueByteCount {
            output.append(text)
        } else {
            appendQuoted(text, to: &output)
        }
    }

    /// A JSON string (RFC 8259 section 7). Beyond what JSON asks, characters that move a cursor, end a line or turn the
    /// direction of writing are escaped too.
    private func appendQuoted(_ text: String, to output: inout ByteQueue) {
        output.append(UInt8(ascii: "\""))
        var byteCount = 0
        for scalar in text.unicodeScalars {
            byteCount += UTF8.width(scalar)
            if byteCount > Self.valueByteCount {
                output.append("\\u2026")
                break
            }
            switch scalar {
            case "\"": output.append("\\\"")
            case "\\": output.append("\\\\")
            case "\n": output.append("\\n")
            case "\r": output.append("\\r")
            case "\t": output.append("\\t")
            case " "..."~": output.append(UInt8(truncatingIfNeeded: scalar.value))
            default:
                if mustBeEscaped(scalar) {
                    for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
                        appendEscape(unit, to: &output)
                    }
                } else {
                    for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { output.append(byte) }
                }
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private func mustBeEscaped(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned, .surrogate: true
        default: false
        }
    }

    private func appendEscape(_ unit: UInt16, to output: inout ByteQueue) {
        output.append("\\u")
        for shift in [12, 8, 4, 0] {
            let digit = UInt8(truncatingIfNeeded: unit >> UInt16(shift)) & 0xF
            output.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
        }
    }
}

extension LogRecord.Level {
    var name: String {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .warn: "warn"
        case .error: "error"
        }
    }
}
