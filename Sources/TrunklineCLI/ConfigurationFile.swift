import Configuration

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reads `coordinator.yaml` for a command.
enum ConfigurationFile {
    static func load(_ path: String) throws(CommandFailure) -> CoordinatorConfiguration {
        guard access(path, R_OK) == 0 else {
            let code = errno
            throw CommandFailure(
                .noInput, "cannot read \(path): \(String(cString: strerror(code)))",
                advice: code == ENOENT ? "Write one with: trunkline config init \(path)" : nil)
        }
        do throws(ConfigurationError) {
            return try CoordinatorConfiguration.load(path: path)
        } catch {
            throw CommandFailure(
                .configuration, "the configuration cannot be used:\n\(error.description)",
                advice: error.problems.contains { $0.keyPath == "auth.operator_key" }
                    ? "A fresh key: trunkline config init - | grep operator_key" : nil)
        }
    }
}
