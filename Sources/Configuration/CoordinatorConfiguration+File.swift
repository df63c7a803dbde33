#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension CoordinatorConfiguration {
    /// Pinned providers by the ten thousand fit; a log file that was named by mistake does not.
    static let maximumFileByteCount = 16 * 1024 * 1024

    /// Reads and checks the file at `path`. Blocks; call it before the loop runs, or off it.
    ///
    /// Throws everything that is wrong with the file at once.
    ///
    /// - Parameter environment: what `${NAME}` stands for; nil for a variable that is not set.
    package static func load(
        path: String, environment: @escaping (String) -> String? = Self.processEnvironment
    ) throws(ConfigurationError) -> CoordinatorConfiguration {
        try parse(try contents(path), file: path, environment: environment)
    }

    /// Checks a text; `file` names it in problems.
    package static func parse(
        _ text: [UInt8], file: String, environment: @escaping (String) -> String?
    ) throws(ConfigurationError) -> CoordinatorConfiguration {
        guard text.count <= maximumFileByteCount else {
            throw failure(file, "is larger than \(maximumFileByteCount) bytes")
        }
        return try ConfigurationReader.read(text, file: file, environment: environment)
    }

    /// The environment of this process. Not to be called while another thread changes it; nothing here does.
    package static func processEnvironment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    private static func contents(_ path: String) throws(ConfigurationError) -> [UInt8] {
        guard !path.isEmpty, !path.utf8.contains(0) else { throw failure("(no name)", "no file is named") }
        // A named pipe without a writer would otherwise be waited for, for ever.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(path, "cannot be opened: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw failure(path, "cannot be examined: \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            let kind = status.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no regular file"
            throw failure(path, "is \(kind), expected a YAML file")
        }
        return try contents(descriptor, path)
    }

    private static func contents(_ descriptor: Int32, _ path: String) throws(ConfigurationError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw failure(path, "cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            guard bytes.count <= maximumFileByteCount else {
                throw failure(path, "is larger than \(maximumFileByteCount) bytes")
            }
        }
    }

    private static func failure(_ file: String, _ message: String) -> ConfigurationError {
        ConfigurationError(
            problems: [ConfigurationProblem(file: file, line: nil, keyPath: nil, message: message)])
    }
}
