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

    /// Writes everything, or gives up: a reader that left is no reason to fail (SIGPIPE is ignored).
    /// - Returns: false when not everything could be written.
    @discardableResult
    func write(_ text: String) -> Bool {
        withByteView(text) { write($0) }
    }

    @discardableResult
    func write(_ bytes: ByteView) -> Bool {
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
                return false
            }
            rest = rest.dropFirst(written)
        }
        return true
    }

    /// Writes text that a stranger made. A terminal that a person watches gets no control characters other than line
    /// feed and tab, which could move its cursor, change its title or type into it; a pipe gets every byte.
    func write(untrusted bytes: ByteView) {
        guard isInteractive else {
            write(bytes)
            return
        }
        let harmless = bytes.string.unicodeScalars.filter {
            $0.properties.generalCategory != .control || $0 == "\n" || $0 == "\t"
        }
        write(String(String.UnicodeScalarView(harmless)))
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
