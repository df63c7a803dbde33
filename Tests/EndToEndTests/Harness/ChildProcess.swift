import Foundation
import Synchronization

/// A real process. Its output goes to files, so nothing can fill up, and no end of a pipe can leak into another child.
///
/// Whoever starts one ends it: `defer { child.kill() }`.
final class ChildProcess: Sendable {
    struct Exit: Equatable, Sendable {
        var code: Int32
        var wasSignalled: Bool
    }

    private enum Life {
        case running(pid_t)
        case ended(Exit)
    }

    private let name: String
    private let directory: URL
    private let life: Mutex<Life>

    /// Starts `executable`. The environment is what is given here, PATH, what a sanitizer is told, and nothing else.
    init(_ executable: URL, _ arguments: [String], environment: [String: String] = [:]) throws {
        name = ([executable.lastPathComponent] + arguments).joined(separator: " ")
        directory = try TemporaryDirectory.make()
        let inherited = ProcessInfo.processInfo.environment.filter { name, _ in
            ["PATH", "ASAN_OPTIONS", "LSAN_OPTIONS"].contains(name)
        }
        let variables = environment.merging(["PATH": "/usr/bin:/bin"].merging(inherited) { $1 }) { given, _ in given }

        #if os(Linux)
            var actions = posix_spawn_file_actions_t()
        #else
            var actions: posix_spawn_file_actions_t?
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        let flags = O_WRONLY | O_CREAT | O_APPEND
        posix_spawn_file_actions_addopen(&actions, 1, directory.appendingPathComponent("output").path, flags, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, directory.appendingPathComponent("error").path, flags, 0o600)

        var pid: pid_t = 0
        let code = withCStrings([executable.path] + arguments) { words in
            withCStrings(variables.map { "\($0)=\($1)" }) { variables in
                posix_spawn(&pid, executable.path, &actions, nil, words, variables)
            }
        }
        guard code == 0 else { throw Timeout(message: "cannot start \(name): \(String(cString: strerror(code)))") }
        life = Mutex(.running(pid))
    }

    /// Starts the binary under test.
    convenience init(trunkline arguments: [String], environment: [String: String] = [:]) throws {
        try self.init(BuiltProduct.trunkline, arguments, environment: environment)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    var output: String { read("output") }
    var errorOutput: String { read("error") }

    private func read(_ file: String) -> String {
        guard let data = try? Data(contentsOf: directory.appendingPathComponent(file)) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// For a failed expectation: what was run and what it said.
    var transcript: String { "$ \(name)\n\(output)\n--- standard error ---\n\(errorOutput)" }

    /// The process's number while it runs.
    var pid: pid_t? {
        life.withLock { life in
            guard case .running(let pid) = life else { return nil }
            return pid
        }
    }

    func send(_ signal: Int32) {
        life.withLock { life in
            guard case .running(let pid) = life else { return }
            _ = Foundation.kill(pid, signal)
        }
    }

    /// Ends it, if it is still there.
    func kill() {
        life.withLock { life in
            guard case .running(let pid) = life else { return }
            _ = Foundation.kill(pid, SIGKILL)
            var status: Int32 = 0
            _ = waitpid(pid, &status, 0)
            life = .ended(Exit(code: SIGKILL, wasSignalled: true))
        }
    }

    /// The first result that `find` makes of a line of standard output or error.
    func line<Result: Sendable>(
        within limit: Duration = .seconds(60), _ what: String, _ find: @Sendable (Substring) -> Result?
    ) async throws -> Result {
        try await eventually(within: limit, "\(what); \(self.transcript)") {
            let isOver = self.ended() != nil
            for text in [self.output, self.errorOutput] {
                // The last piece may be half a line.
                for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
                    if let result = find(line) { return result }
                }
            }
            if isOver { throw Timeout(message: "ended before \(what)\n\(self.transcript)") }
            return nil
        }
    }

    /// Waits until the process has ended.
    func exit(within limit: Duration = .seconds(60)) async throws -> Exit {
        try await eventually(within: limit, "the end of \(self.transcript)") { self.ended() }
    }

    private func ended() -> Exit? {
        life.withLock { life in
            guard case .running(let pid) = life else {
                guard case .ended(let exit) = life else { return nil }
                return exit
            }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            // The layout that wait(2) macros read: low seven bits the signal, next eight the code.
            let signal = status & 0x7F
            let exit = Exit(code: signal == 0 ? (status >> 8) & 0xFF : signal, wasSignalled: signal != 0)
            life = .ended(exit)
            return exit
        }
    }
}

/// Lends `texts` as the null-terminated array that exec and posix_spawn want.
private func withCStrings<Result>(
    _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Result
) rethrows -> Result {
    let copies = texts.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return try body(copies + [nil])
}
