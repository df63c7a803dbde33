import Foundation
import Testing

/// What the binary says and returns when it is used wrongly, or only asked something.
@Suite struct CommandLineTests {
    struct Example: Sendable, CustomTestStringConvertible {
        var arguments: [String]
        var code: Int32
        var output: [String] = []
        var errorOutput: [String] = []
        var testDescription: String { "trunkline " + arguments.joined(separator: " ") }
    }

    @Test(arguments: [
        Example(arguments: [], code: 2, errorOutput: ["Usage: trunkline COMMAND"]),
        Example(arguments: ["--help"], code: 0, output: ["Commands:", "  chat "]),
        Example(arguments: ["help", "chat"], code: 0, output: ["Usage: trunkline chat", "Example"]),
        Example(arguments: ["version"], code: 0, output: ["trunkline 0."]),
        Example(arguments: ["--version"], code: 0, output: ["trunkline 0."]),
        Example(arguments: ["cha"], code: 2, errorOutput: ["unknown command “cha”", "Did you mean trunkline chat?"]),
        Example(
            arguments: ["chat", "--modle", "x"], code: 2,
            errorOutput: ["Did you mean --model?", "trunkline chat --help"]),
        Example(arguments: ["chat"], code: 2, errorOutput: ["PROMPT is required"]),
        Example(
            arguments: ["chat", "--url", "http://127.0.0.1:1", "hello"], code: 69,
            errorOutput: ["127.0.0.1:1", "trunkline serve"]),
    ])
    func answersAndReturns(_ example: Example) async throws {
        let child = try ChildProcess(trunkline: example.arguments)
        defer { child.kill() }
        let exit = try await child.exit()
        #expect(exit == ChildProcess.Exit(code: example.code, wasSignalled: false), "\(child.transcript)")
        for text in example.output { #expect(child.output.contains(text), "\(child.transcript)") }
        for text in example.errorOutput { #expect(child.errorOutput.contains(text), "\(child.transcript)") }
    }
}
