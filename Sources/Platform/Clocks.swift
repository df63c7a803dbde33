package import Primitives

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The calendar time: may jump, and is for people.
package func currentWallTime() -> WallTime { WallTime(nanoseconds: read(CLOCK_REALTIME)) }

/// The time that only goes on, for deadlines. Of no meaning outside this boot of the machine.
package func currentInstant() -> MonotonicInstant { MonotonicInstant(nanoseconds: read(CLOCK_MONOTONIC)) }

private func read(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    // Cannot fail for a clock that exists.
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}
