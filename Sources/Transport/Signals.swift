#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Writing to a socket whose peer has gone must be an error code, not the end of the process.
func ignoreBrokenPipeSignal() { _ = signal(SIGPIPE, SIG_IGN) }
