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
    /// Of these, in version 2.
    package var encryptedSessions = 0
    /// How often one of them got new keys.
    package var keyChanges = 0
    /// Frames that must not have been taken.
    package var brokenFrames = 0
    package var forwards = 0
    package var restarts = 0
    /// Rows that the storage was given.
    package var rows = 0
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
        encryptedSessions += other.encryptedSessions
        keyChanges += other.keyChanges
        brokenFrames += other.brokenFrames
        forwards += other.forwards
        restarts += other.restarts
        rows += other.rows
        for (status, count) in other.statuses { statuses[status, default: 0] += count }
        for place in faults.indices { faults[place] += other.faults[place] }
    }

    package func count(of fault: Fault) -> Int { faults[fault.rawValue] }
}
