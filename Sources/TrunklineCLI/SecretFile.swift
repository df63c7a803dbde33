#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Reads a file that holds one secret and nothing else.
enum SecretFile {
    private static let byteLimit = 4096

    /// The first line, without the white space around it; `-` is standard input.
    static func read(_ path: String) throws(CommandFailure) -> String {
        let descriptor = path == "-" ? dup(0) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandFailure(.noInput, "cannot read \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: byteLimit)
        var length = 0
        while length < byteLimit {
            let count = bytes.withUnsafeMutableBytes { buffer in
                Self.read(descriptor, buffer.baseAddress.map { $0 + length }, byteLimit - length)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else {
                throw CommandFailure(.inputOutput, "cannot read \(path): \(String(cString: strerror(errno)))")
            }
            if count == 0 { break }
            length += count
        }
        let line = bytes[..<length].prefix { $0 != 0x0A }
        let secret = String(decoding: line, as: UTF8.self).trimmingBlanks
        guard !secret.isEmpty, secret.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CommandFailure(
                .dataError, "\(path) holds no token", advice: "It must be one line: what trunkline token issue printed."
            )
        }
        return secret
    }

    private static func read(_ descriptor: Int32, _ target: UnsafeMutableRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.read(descriptor, target, count)
        #elseif canImport(Musl)
            Musl.read(descriptor, target, count)
        #else
            Darwin.read(descriptor, target, count)
        #endif
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        let blanks: Set<Character> = [" ", "\t", "\r", "\n"]
        let start = drop { blanks.contains($0) }
        guard let last = start.lastIndex(where: { !blanks.contains($0) }) else { return "" }
        return String(start[...last])
    }
}
