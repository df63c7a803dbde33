import Testing

@testable import trunkline

@Suite struct CommandUsageTests {
    static let usage = CommandUsage(
        "pack up", "Put all of it away", discussion: "More about that.",
        positionals: [
            Positional("BOX", "Where it goes", required: true), Positional("LABEL", "What is written on it"),
        ],
        options: [
            .flag(Flag("tight", "No air between")),
            .value(ValueOption("key", "KEY", "The key", environment: "T_KEY", required: true)),
            .value(ValueOption("size", "N", "How much at once", default: "3")),
        ],
        examples: ["trunkline pack up --key k box"])

    @Test func helpShowsEverything() {
        #expect(
            Self.usage.helpText == """
                Put all of it away

                Usage: trunkline pack up --key KEY [options] BOX [LABEL]

                More about that.

                Arguments:
                  BOX    Where it goes
                  LABEL  What is written on it

                Options:
                  --tight    No air between
                  --key KEY  The key (or T_KEY)
                  --size N   How much at once (default 3)
                  --help     Show this text

                Example:
                  trunkline pack up --key k box

                """)
    }

    @Test func longCellsWrap() {
        let long = Array(repeating: "word", count: 30).joined(separator: " ")
        let lines = CommandUsage.table([("--a", long), ("--" + String(repeating: "b", count: 40), "short")])
        #expect(lines.allSatisfy { $0.count <= 100 })
        #expect(lines.last == String(repeating: " ", count: 30) + "short")
        #expect(lines.joined(separator: " ").split(separator: " ").filter { $0 == "word" }.count == 30)
    }

    @Test(arguments: CommandLineTool.commands.map { $0.usage.name })
    func eachCommandShowsAnExampleOfItself(_ name: String) throws {
        let usage = try #require(CommandLineTool.commands.first { $0.usage.name == name }).usage
        #expect(usage.examples.contains { $0.contains("trunkline \(name)") })
        #expect(usage.helpText.split(separator: "\n", omittingEmptySubsequences: false).allSatisfy { $0.count <= 100 })
    }
}
