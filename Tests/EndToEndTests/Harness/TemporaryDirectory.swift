import Foundation

enum TemporaryDirectory {
    /// A fresh directory; whoever asks for it removes it.
    static func make() throws -> URL {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("trunkline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
        return url
    }
}
