import Foundation
import Testing

/// `scripts/check-rooms` finds what it is there to find.
@Suite struct RoomCheckTests {
    @Test(arguments: [
        ("Pool", "import Foundation", "Pool may not import Foundation"),
        ("Pool", "package import Coordinator", "Pool may not import Coordinator"),
        ("Pool", "@testable import JSON", "Pool may not import JSON"),
        ("Pool", "func f() { Task { } }", "starts no task"),
        ("Pool", "let now = ContinuousClock.now", "reads no clock"),
        ("Pool", "let n = Int.random(in: 0..<3)", "draws no randomness"),
        ("Store", "let n = try! f()", "say in a comment"),
        ("Store", "final class A: @unchecked Sendable {}", "say in a comment"),
        ("Nowhere", "let n = 1", "is not in scripts/rooms.txt"),
        ("Pool", String(repeating: "\n", count: 500) + "let n = 1", "longer than 500 lines"),
    ])
    func refuses(_ room: String, _ code: String, _ expected: String) async throws {
        let check = try await Self.check(room, code)
        #expect(try await check.exit().code != 0, "\(check.transcript)")
        #expect(check.output.contains(expected), "\(check.transcript)")
    }

    @Test(arguments: [
        ("Pool", "package import Primitives"), ("Pool", "let text = \"Task { ContinuousClock }\" // Date()"),
        ("Pool", "let n = Int.random(in: 0..<3, using: &generator)"), ("Store", "import Glibc"),
        ("Store", "// It is a constant, and parses.\nlet n = try! f()"),
    ])
    func accepts(_ room: String, _ code: String) async throws {
        let check = try await Self.check(room, code)
        #expect(try await check.exit().code == 0, "\(check.transcript)")
    }

    private static func check(_ room: String, _ code: String) async throws -> ChildProcess {
        let root = try TemporaryDirectory.make()
        defer { try? FileManager.default.removeItem(at: root) }
        let directory = root.appendingPathComponent("Sources/\(room)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try code.write(to: directory.appendingPathComponent("A.swift"), atomically: true, encoding: .utf8)
        let script = BuiltProduct.packageRoot.appendingPathComponent("scripts/check-rooms")
        let check = try ChildProcess(script, [root.path])
        _ = try await check.exit()
        return check
    }
}
