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
        Example(arguments: ["--help"], code: 0, output: ["Commands:", "  demo ", "  serve "]),
        Example(arguments: ["help", "serve"], code: 0, output: ["Usage: trunkline serve", "Example"]),
        Example(arguments: ["version"], code: 0, output: ["trunkline 0."]),
        Example(arguments: ["--version"], code: 0, output: ["trunkline 0."]),
        Example(
            arguments: ["serv"], code: 2, errorOutput: ["unknown command “serv”", "Did you mean trunkline serve?"]),
        Example(
            arguments: ["serve", "--confg", "x"], code: 2,
            errorOutput: ["unknown option “--confg”", "Did you mean --config?", "trunkline serve --help"]),
        Example(arguments: ["config"], code: 2, errorOutput: ["check"]),
        Example(arguments: ["config", "--help"], code: 0, output: ["config check"]),
        Example(
            arguments: ["config", "check", "/nowhere/coordinator.yaml"], code: 66,
            errorOutput: ["/nowhere/coordinator.yaml", "trunkline config init"]),
        Example(
            arguments: ["serve", "--config", "/nowhere/coordinator.yaml"], code: 66,
            errorOutput: ["/nowhere/coordinator.yaml", "trunkline config init"]),
        Example(
            arguments: ["serve", "--buyer-listen", "127.0.0.1:99999"], code: 2,
            errorOutput: ["--buyer-listen takes HOST:PORT"]),
        Example(
            arguments: ["provide", "--coordinator", "http://x", "--engine", "demo"], code: 2,
            errorOutput: ["--coordinator"]),
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
