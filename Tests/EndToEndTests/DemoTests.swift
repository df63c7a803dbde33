import Foundation
import Testing

@Suite(.timeLimit(.minutes(2))) struct DemoTests {
    @Test func onceAnswersAndExits() async throws {
        let demo = try ChildProcess(trunkline: ["demo", "--once", "--port", "0", "What is a bridge?"])
        defer { demo.kill() }
        #expect(try await demo.exit() == ChildProcess.Exit(code: 0, wasSignalled: false), "\(demo.transcript)")
        #expect(demo.output.contains("You: What is a bridge?\nModel: "), "\(demo.transcript)")
        let answer = demo.output.split(separator: "Model: ", maxSplits: 1).last ?? ""
        #expect(answer.split(separator: " ").count > 5, "\(demo.transcript)")
        #expect(demo.errorOutput.isEmpty, "\(demo.transcript)")
    }

    @Test func itKeepsServingUntilInterrupted() async throws {
        let demo = try ChildProcess(trunkline: ["demo", "--port", "0"])
        defer { demo.kill() }
        _ = try await demo.line("the last line") { $0.hasPrefix("Ctrl-C") ? true : nil }
        let lines = demo.output.split(separator: "\n", omittingEmptySubsequences: false)
        let code = lines.drop { $0 != "python3 -c '" }.dropFirst().prefix { $0 != "'" }.joined(separator: "\n")
        #expect(try await !PythonScripts.client.run(code: code).isEmpty, "the Python lines can be pasted")
        let url = try await demo.line("how to ask") { line in
            line.contains("trunkline chat --url ")
                ? line.split(separator: " ").dropFirst(3).first.map(String.init) : nil
        }
        let chat = try ChildProcess(trunkline: ["chat", "--url", url, "--max-tokens", "5", "Hello"])
        defer { chat.kill() }
        try await chat.succeed()
        #expect(!chat.output.isEmpty, "\(chat.transcript)")
        demo.send(SIGINT)
        #expect(try await demo.exit() == ChildProcess.Exit(code: 0, wasSignalled: false), "\(demo.transcript)")
    }
}
