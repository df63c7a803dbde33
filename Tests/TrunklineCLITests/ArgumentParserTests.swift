import Testing

@testable import trunkline

@Suite struct ArgumentParserTests {
    static let once = Flag("once", "Exit after one answer")
    static let listen = ValueOption("listen", "HOST:PORT", "Where to listen", environment: "T_LISTEN")
    static let slots = ValueOption("slots", "N", "Parallel requests", default: "2")
    static let accepted = ArgumentList(
        positionals: [Positional("PROMPT", "What to ask")],
        options: [.flag(once), .value(listen), .value(slots)])

    static func parse(
        _ words: [String], environment: @escaping @Sendable (String) -> String? = { _ in nil }
    ) throws(UsageError) -> Arguments? {
        switch try ArgumentParser(accepted, environment: environment).parse(words) {
        case .help: nil
        case .run(let arguments): arguments
        }
    }

    struct Understood: Sendable {
        var words: [String]
        var expected: Arguments
    }

    @Test(arguments: [
        Understood(words: [], expected: Arguments()),
        Understood(words: ["--once"], expected: Arguments(flags: ["once"])),
        Understood(words: ["--listen", "a:1"], expected: Arguments(values: ["listen": "a:1"])),
        Understood(words: ["--listen=a:1"], expected: Arguments(values: ["listen": "a:1"])),
        Understood(words: ["--listen="], expected: Arguments(values: ["listen": ""])),
        Understood(words: ["--listen=a=b"], expected: Arguments(values: ["listen": "a=b"])),
        Understood(words: ["--listen", "a", "--listen", "b"], expected: Arguments(values: ["listen": "b"])),
        Understood(words: ["--slots", "-5"], expected: Arguments(values: ["slots": "-5"])),
        Understood(words: ["hello", "--once"], expected: Arguments(flags: ["once"], positionals: ["hello"])),
        Understood(words: ["--", "--once"], expected: Arguments(positionals: ["--once"])),
        Understood(words: ["-"], expected: Arguments(positionals: ["-"])),
    ])
    func understands(_ example: Understood) throws {
        #expect(try Self.parse(example.words) == example.expected)
    }

    struct Refused: Sendable {
        var words: [String]
        var expected: UsageError
    }

    @Test(arguments: [
        Refused(words: ["--onec"], expected: UsageError("unknown option “--onec”", suggestion: "--once")),
        Refused(words: ["--lisen=a"], expected: UsageError("unknown option “--lisen”", suggestion: "--listen")),
        Refused(words: ["--zzzzzz"], expected: UsageError("unknown option “--zzzzzz”")),
        Refused(
            words: ["-once"],
            expected: UsageError("unknown option “-once”; options have two dashes", suggestion: "--once")),
        Refused(words: ["--once=1"], expected: UsageError("--once takes no value")),
        Refused(words: ["--listen"], expected: UsageError("--listen needs a value: --listen HOST:PORT")),
        Refused(words: ["--listen", "--once"], expected: UsageError("--listen needs a value: --listen HOST:PORT")),
        Refused(words: ["a", "b"], expected: UsageError("unexpected argument “b”")),
    ])
    func refuses(_ example: Refused) {
        #expect(throws: example.expected) { try Self.parse(example.words) }
    }

    @Test(arguments: [["--help"], ["-h"], ["--onec", "--help"], ["a", "b", "-h"]])
    func helpWinsOverMistakes(_ words: [String]) throws {
        #expect(try Self.parse(words) == nil)
    }

    @Test func helpBehindTheDoubleDashIsAnArgument() throws {
        #expect(try Self.parse(["--", "--help"]) == Arguments(positionals: ["--help"]))
    }

    @Test func defaultsAndEnvironmentFillWhatIsMissing() throws {
        let fromDefault = try #require(try Self.parse([]))
        #expect(fromDefault[Self.slots] == "2")
        #expect(!fromDefault.isGiven(Self.slots))
        #expect(fromDefault[Self.listen] == nil)
        let environment: @Sendable (String) -> String? = { $0 == "T_LISTEN" ? "e:1" : nil }
        #expect(try Self.parse([], environment: environment)?[Self.listen] == "e:1")
        #expect(try Self.parse(["--listen", "w:1"], environment: environment)?[Self.listen] == "w:1")
    }

    @Test func whatIsRequiredIsAskedFor() {
        let parser = ArgumentParser(
            ArgumentList(
                positionals: [Positional("FILE", "", required: true)],
                options: [.value(ValueOption("url", "URL", "", required: true))]))
        #expect(throws: UsageError("--url URL is required")) { try parser.parse(["a"]) }
        #expect(throws: UsageError("FILE is required")) { try parser.parse(["--url", "u"]) }
    }

    @Test(arguments: [("0", false), ("1", true), ("8", true), ("9", false), ("x", false), ("", false), ("1.5", false)])
    func integersAreBounded(_ text: String, _ isValid: Bool) throws {
        let arguments = Arguments(values: ["slots": text])
        if isValid {
            #expect(try arguments.integer(Self.slots, in: 1...8) == Int(text))
        } else {
            #expect(throws: UsageError.self) { try arguments.integer(Self.slots, in: 1...8) }
        }
    }

    @Test(arguments: [("0.5", true), ("2", true), ("-1", false), ("nan", false), ("inf", false), ("1e400", false)])
    func numbersAreBounded(_ text: String, _ isValid: Bool) throws {
        let arguments = Arguments(values: ["slots": text])
        if isValid {
            #expect(try arguments.number(Self.slots, in: 0...8) == Double(text))
        } else {
            #expect(throws: UsageError.self) { try arguments.number(Self.slots, in: 0...8) }
        }
    }
}
