/// How many more requests a provider takes.
///
///     free = min(maxConcurrency - active, reportedFree + activeAtReport - active), never below 0
///
/// The first term is the coordinator's own count, taken at dispatch and never over `maxConcurrency`. The second is the
/// provider's last report, moved by what was dispatched and finished since. So a report only corrects downwards
/// (somebody else uses the machine) and, once that is over, back up to the own count; a report that crossed with a
/// dispatch on the wire cannot make a taken slot free again.
struct SlotCount: Equatable, Sendable {
    private(set) var maxConcurrency: Int
    /// Requests dispatched and not finished.
    private(set) var active = 0
    /// As last reported, for people to read.
    private(set) var reportedFree: Int
    private(set) var reportedTotal: Int
    private var reportedFreePlusActive: Int

    static let concurrencyRange = 1...1024

    init(maxConcurrency: Int) {
        let bounded = Self.bounded(maxConcurrency)
        self.maxConcurrency = bounded
        reportedFree = bounded
        reportedTotal = bounded
        reportedFreePlusActive = bounded
    }

    @inline(__always) var free: Int { max(0, min(maxConcurrency, reportedFreePlusActive) - active) }

    /// Takes a slot; false when none is free.
    @inline(__always) mutating func take() -> Bool {
        guard free > 0 else { return false }
        active += 1
        return true
    }

    /// False when none was taken.
    @inline(__always) mutating func giveBack() -> Bool {
        guard active > 0 else { return false }
        active -= 1
        return true
    }

    mutating func reported(free: Int, total: Int) {
        reportedFree = min(max(free, 0), Self.concurrencyRange.upperBound)
        reportedTotal = min(max(total, 0), Self.concurrencyRange.upperBound)
        reportedFreePlusActive = reportedFree + active
    }

    mutating func setMaxConcurrency(_ value: Int) { maxConcurrency = Self.bounded(value) }

    /// The session is gone, and with it all that ran in it.
    mutating func clear() {
        active = 0
        reportedFree = 0
        reportedFreePlusActive = 0
    }

    private static func bounded(_ value: Int) -> Int {
        min(max(value, concurrencyRange.lowerBound), concurrencyRange.upperBound)
    }
}
