import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Standard output or error: unbuffered, so that a token is on the screen when it comes.
struct Terminal: Sendable {
    static let standardOutput = Terminal(descriptor: 1)
    static let standardError = Terminal(descriptor: 2)

    let descriptor: Int32

    /// Whether a person watches, rather than a pipe or a file.
    var isInteractive: Bool { isatty(descriptor) == 1 }

    /// Writes everything, or gives up silently: a reader that left is no reason to fail (SIGPIPE is ignored).
    func write(_ text: String) {
        withByteView(text) { write($0) }
    }

    func write(_ bytes: ByteView) {
        var rest = bytes
        while !rest.isEmpty {
            #if canImport(Glibc)
                let written = Glibc.write(descriptor, rest.base, rest.count)
            #elseif canImport(Musl)
                let written = Musl.write(descriptor, rest.base, rest.count)
            #else
                let written = Darwin.write(descriptor, rest.base, rest.count)
            #endif
            if written < 0 {
                if errno == EINTR { continue }
                return
            }
            rest = rest.dropFirst(written)
        }
    }

    /// `text` in bold where that helps a person and no one asked for plain text (no-color.org).
    func bold(_ text: String) -> String {
        guard isInteractive, Self.environmentVariable("NO_COLOR") == nil else { return text }
        return "\u{1B}[1m\(text)\u{1B}[0m"
    }

    static func environmentVariable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
