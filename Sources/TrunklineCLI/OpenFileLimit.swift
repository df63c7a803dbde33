#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A connection is an open file, and the usual soft limit of 1,024 is there for programs that use select(2). Takes what
/// the system allows; a failure leaves what was there.
func raiseOpenFileLimit() {
    #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        let resource = RLIMIT_NOFILE
    #endif
    var limit = rlimit()
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
    #if canImport(Darwin)
        // The kernel refuses more than this, whatever the hard limit says.
        limit.rlim_cur = min(limit.rlim_max, rlim_t(OPEN_MAX))
    #else
        limit.rlim_cur = limit.rlim_max
    #endif
    setrlimit(resource, &limit)
}
