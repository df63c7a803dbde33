import Primitives

/// What happened in one world, or in many.
package struct SwarmTally: Sendable {
    package var events = 0
    package var virtualTime = Duration.zero
    package var requests = 0
    package var dispatches = 0
    package var chunksSent = 0
    package var chunksDelivered = 0
    package var pongs = 0
    package var sessions = 0
    package var statuses: [Int: Int] = [:]
    /// By ``Fault/rawValue``: how often each struck.
    package var faults = [Int](repeating: 0, count: Fault.allCases.count)

    package init() {}

    package mutating func add(_ other: SwarmTally) {
        events += other.events
        virtualTime += other.virtualTime
        requests += other.requests
        dispatches += other.dispatches
        chunksSent += other.chunksSent
        chunksDelivered += other.chunksDelivered
        pongs += other.pongs
        sessions += other.sessions
        for (status, count) in other.statuses { statuses[status, default: 0] += count }
        for place in faults.indices { faults[place] += other.faults[place] }
    }

    package func count(of fault: Fault) -> Int { faults[fault.rawValue] }
}
