import CLibuv
import Environment
import Platform
import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

extension ProcessStatistics {
    /// Asks the system; what it does not tell stays zero. For a metrics page: it costs some system calls.
    static func current() -> ProcessStatistics {
        var statistics = ProcessStatistics()
        var resident = 0
        if uv_resident_set_memory(&resident) == 0 { statistics.residentByteCount = resident }
        var usage = uv_rusage_t()
        if uv_getrusage(&usage) == 0 { statistics.cpuSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime) }
        var limit = rlimit()
        if fileDescriptorLimit(&limit) == 0 { statistics.openFilesLimit = Int(clamping: limit.rlim_cur) }
        statistics.openFiles = openFileCount()
        statistics.startTimeSeconds = processStart
        return statistics
    }

    private static func seconds(_ time: uv_timeval_t) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    /// Near enough: when this was first asked or the first shard began.
    static let processStart = Double(currentWallTime().nanoseconds) / 1e9

    /// Entries of the directory of descriptors, without the one that reads it and the two dots.
    private static func openFileCount() -> Int {
        guard let directory = opendir("/dev/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return max(0, count - 3)
    }
}
