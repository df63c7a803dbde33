import Foundation

/// Programs that some tests need and not every machine has. Where one is missing its tests are skipped, and say so;
/// `scripts/install-dependencies --checkers` installs all of them.
enum InstalledProgram {
    static func path(_ name: String) -> String? {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "") + ":/usr/sbin"
        return path.split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
