import Foundation

/// Where the build put things.
enum BuiltProduct {
    /// The binary under test: what `TRUNKLINE_BINARY` names, else the one beside the test bundle, which is where the
    /// package manager builds both.
    static let trunkline: URL =
        ProcessInfo.processInfo.environment["TRUNKLINE_BINARY"].map { URL(fileURLWithPath: $0) }
        ?? directory.appendingPathComponent("trunkline")

    /// `.build/<configuration>` of this checkout.
    static let directory: URL = {
        #if os(macOS)
            for bundle in Bundle.allBundles where bundle.bundlePath.hasSuffix(".xctest") {
                return bundle.bundleURL.deletingLastPathComponent()
            }
        #endif
        return URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    }()

    static let packageRoot: URL = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
}
