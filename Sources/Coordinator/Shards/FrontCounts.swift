package import Environment

/// What a front has counted since it began.
package struct FrontCounts: Sendable {
    package internal(set) var metrics = CoordinatorMetrics()
    package internal(set) var driver = DriverStatistics()

    package init() {}
}

/// What all fronts have counted together, for one metrics page.
struct FrontTotals {
    var counts = FrontCounts()
    /// Fronts that did not answer in time; their part is what they said last.
    var silentCount = 0
}
