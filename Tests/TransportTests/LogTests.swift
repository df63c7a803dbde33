import Environment
import Foundation
import Glibc
import Platform
import Primitives
import Testing

@testable import Transport

@Suite struct LogFormatTests {
    private func line(_ format: LogFormat, _ record: LogRecord) -> String {
        var output = ByteQueue()
        format.append(record, at: WallTime(nanoseconds: 1_769_850_900_123_000_000), to: &output)
        return output.view.string
    }

    @Test func jsonHasTimeLevelEventThenFields() {
        let record = LogRecord(
            .warn, "peer_gone",
            [("peer", "192.0.2.1"), ("count", 3), ("share", .double(0.25)), ("nan", .double(.nan)), ("fine", true)])
        #expect(
            line(.json, record)
                == #"{"ts":"2026-01-31T09:15:00.123Z","level":"warn","event":"peer_gone","peer":"192.0.2.1","count":3,"#
                + #""share":0.25,"nan":null,"fine":true}"# + "\n")
    }

    @Test func textQuotesWhatIsNotPlain() {
        let record = LogRecord(.info, "peer_gone", [("peer", "192.0.2.1:80"), ("why", "a \"b\""), ("empty", "")])
        #expect(
            line(.text, record)
                == #"2026-01-31T09:15:00.123Z INFO peer_gone peer=192.0.2.1:80 why="a \"b\"" empty="""# + "\n")
    }

    @Test(arguments: [
        ("plain", #""plain""#),
        ("\"\\", #""\"\\""#),
        ("a\nb\r\tc", #""a\nb\r\tc""#),
        ("\u{1B}[31m", #""\u001b[31m""#),
        ("\0\u{7F}\u{85}\u{9B}", #""\u0000\u007f\u0085\u009b""#),
        ("\u{2028}\u{202E}\u{FEFF}", #""\u2028\u202e\ufeff""#),
        ("\u{E0001}", #""\udb40\udc01""#),
        ("größe 日本 🙂", #""größe 日本 🙂""#),
        ("\",\"level\":\"error", #""\",\"level\":\"error""#),
    ])
    func nothingInAFieldBreaksOut(text: String, quoted: String) throws {
        for format in LogFormat.allCases {
            let written = line(format, LogRecord(.info, "event", [("field", .string(text)), ("after", 1)]))
            #expect(written.utf8.filter { $0 == 0x0A }.count == 1)
            #expect(format == .text && text == "plain" || written.contains(quoted))
            if format == .json {
                let object = try JSONSerialization.jsonObject(with: Data(written.utf8)) as? [String: Any]
                #expect(object?["field"] as? String == text)
                #expect(object?["after"] as? Int == 1)
            }
        }
    }

    @Test func longValuesAreCut() {
        let written = line(
            .json, LogRecord(.info, "event", [("field", .string(String(repeating: "é", count: 10_000)))]))
        #expect(written.utf8.count < LogFormat.valueByteCount + 200)
        #expect(written.contains("é\\u2026\""))
    }
}

@Suite struct LogRateLimiterTests {
    private func at(_ milliseconds: Int) -> MonotonicInstant { .zero + .milliseconds(milliseconds) }

    @Test func letsTheFirstThroughAndReportsTheRest() {
        var limiter = LogRateLimiter(recordsPerSecond: 2)
        let admitted = (0..<5).map { limiter.admits("a", now: at($0)) }
        #expect(admitted == [true, true, false, false, false])
        let isOtherAdmitted = limiter.admits("b", now: at(5))
        #expect(isOtherAdmitted)
        #expect(limiter.nextSummary == at(1000))
        let early = limiter.takeEnded(now: at(999))
        #expect(early.isEmpty)
        let records = limiter.takeEnded(now: at(1000))
        #expect(records.count == 1)
        #expect(records.first?.fields.map(\.1) == [.string("a"), .int(3)])
        #expect(limiter.nextSummary == .distantFuture)
        let later = limiter.takeEnded(now: at(5000))
        #expect(later.isEmpty)
        let isAdmittedAgain = limiter.admits("a", now: at(1000))
        #expect(isAdmittedAgain)
    }

    @Test func aQuietWindowEndsWithoutReport() {
        var limiter = LogRateLimiter(recordsPerSecond: 1)
        let admitted = (0..<5).map { limiter.admits("a", now: at($0 * 1000)) }
        #expect(admitted == [true, true, true, true, true])
        let rest = limiter.takeAll()
        #expect(rest.isEmpty)
    }
}

@Suite struct LogWriterTests {
    /// Lines that `body` makes a writer write to a pipe whose other end is read only after `body`.
    private func lines(_ settings: LogWriter.Settings, _ body: (LogWriter) -> Void) throws -> [String] {
        let pipe = Pipe()
        let writer = try LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor, settings: settings)
        body(writer)
        writer.stop()
        writer.stop()
        writer.write(LogRecord(.error, "too_late"))
        try pipe.fileHandleForWriting.close()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        return String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    @Test func writesWhatIsWorthItsLevelInOrder() throws {
        var settings = LogWriter.Settings()
        settings.minimumLevel = .warn
        let lines = try lines(settings) { writer in
            writer.write(LogRecord(.debug, "one"))
            writer.write(LogRecord(.warn, "two"))
            writer.write(LogRecord(.info, "three"))
            writer.write(LogRecord(.error, "four"))
        }
        #expect(lines.count == 2)
        #expect(lines[0].contains(#""level":"warn","event":"two""#))
        #expect(lines[1].contains(#""level":"error","event":"four""#))
    }

    @Test func suppressedRecordsAreSummedUpAtTheEnd() throws {
        var settings = LogWriter.Settings()
        settings.recordsPerSecond = 0
        let lines = try lines(settings) { writer in for _ in 0..<50 { writer.write(LogRecord(.info, "noise")) } }
        let counts = lines.compactMap { line in
            line.contains(#""suppressed_event":"noise""#)
                ? Int(line.split(separator: #""suppressed":"#).last?.dropLast() ?? "") : nil
        }
        #expect(counts.reduce(0, +) == 50)
        #expect(lines.count == counts.count)
    }

    /// Nothing else is logged, and nobody stops the writer: the summary must come by itself.
    @Test func suppressedRecordsAreSummedUpWhenTheirWindowEnds() throws {
        let pipe = Pipe()
        var settings = LogWriter.Settings()
        settings.recordsPerSecond = 1
        let writer = try LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor, settings: settings)
        writer.write(LogRecord(.info, "noise"))
        var text = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
        #expect(text.contains(#""event":"noise""#))
        // The thread has written all there is, and sleeps.
        for _ in 0..<3 { writer.write(LogRecord(.info, "noise")) }
        text = ""
        var reading = pollfd(fd: pipe.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
        while !text.contains("\n"), poll(&reading, 1, 30_000) == 1 {
            text += String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
        }
        #expect(text.contains(#""suppressed_event":"noise","suppressed":3"#))
        writer.stop()
    }

    @Test func aReaderThatStallsCostsRecordsAndNotTime() throws {
        let pipe = Pipe()
        var settings = LogWriter.Settings()
        settings.queueLimit = 10
        settings.recordsPerSecond = .max
        let writer = try LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor, settings: settings)
        // More than a pipe holds (64 KiB), so that the thread blocks in write(2) while this goes on.
        let text = String(repeating: "x", count: 1000)
        for _ in 0..<2000 { writer.write(LogRecord(.info, "much", [("text", .string(text))])) }
        let writing = pipe.fileHandleForWriting.fileDescriptor
        let stopper = try NamedThread(name: "stopper") {
            writer.stop()
            // The reader waits for the end of the stream.
            _ = dup2(open("/dev/null", O_WRONLY), writing)
        }
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        stopper.join()
        let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
        let written = lines.count { $0.contains(#""event":"much""#) }
        let dropped = lines.compactMap { line in
            line.contains(#""event":"log_records_dropped""#)
                ? Int(line.split(separator: #""count":"#).last?.dropLast() ?? "") : nil
        }.reduce(0, +)
        #expect(dropped > 0)
        #expect(written + dropped == 2000)
    }

    @Test func aReaderThatHasGoneIsNoHarm() throws {
        let pipe = Pipe()
        try pipe.fileHandleForReading.close()
        let writer = try LogWriter(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        for _ in 0..<10 { writer.write(LogRecord(.info, "unheard")) }
        writer.stop()
    }
}

/// Keeps what it gets.
final class CollectingLog: LogSink {
    let journal = Journal<String>()
    var droppedRecordCount: UInt64 { 0 }
    func write(_ level: LogRecord.Level, _ event: StaticString, _ fields: () -> LogRecord.Fields) {
        let fields = fields().map { "\($0.0)=\($0.1)" }.joined(separator: " ")
        journal.add("\(event) \(fields)")
    }
}
