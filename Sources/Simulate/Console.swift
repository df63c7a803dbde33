#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The process, as far as this tool needs it.
enum Console {
    static func print(error text: String) {
        let text = text + "\n"
        _ = write(STDERR_FILENO, text, text.utf8.count)
    }

    static func exit(_ code: Int32) -> Never {
        fflush(nil)
        #if canImport(Glibc)
            Glibc.exit(code)
        #elseif canImport(Musl)
            Musl.exit(code)
        #else
            Darwin.exit(code)
        #endif
    }

    /// Starts the process again with hashing that is the same in every run: a seed must give one run, whatever is kept
    /// in a dictionary.
    static func makeHashingRepeatable() {
        let name = "SWIFT_DETERMINISTIC_HASHING"
        guard getenv(name) == nil else { return }
        setenv(name, "1", 1)
        var arguments = CommandLine.arguments.map { strdup($0) }
        arguments.append(nil)
        #if os(Linux)
            execv("/proc/self/exe", arguments)
        #endif
        if let program = arguments[0] { execvp(program, arguments) }
    }

    /// CPU time of this process, in seconds.
    static var cpuSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
