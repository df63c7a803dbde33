import Coordinator
import Primitives

/// Facts that wait to be written, the later in place of the earlier, so that they cannot pile up: one per provider,
/// token and kind.
struct PendingFacts: Sendable {
    enum Decision: Sendable {
        case promoted(at: WallTime)
        case rejected(reason: String?, at: WallTime)
    }

    struct Sighting: Sendable {
        /// When it was seen first since the last time that this was written.
        var firstTime: WallTime
        var latest: ProviderSighting
    }

    private(set) var sightings: [String: Sighting] = [:]
    private(set) var decisions: [String: Decision] = [:]
    private(set) var tokenUses: [Int64: WallTime] = [:]
    private(set) var snapshot: (json: [UInt8], time: WallTime)?

    var count: Int { sightings.count + decisions.count + tokenUses.count + (snapshot == nil ? 0 : 1) }
    var isEmpty: Bool { count == 0 }

    mutating func add(_ sighting: ProviderSighting) {
        sightings[sighting.providerID, default: Sighting(firstTime: sighting.time, latest: sighting)].latest = sighting
    }

    mutating func add(_ decision: Decision, about providerID: String) { decisions[providerID] = decision }

    mutating func add(tokenUse time: WallTime, of id: Int64) { tokenUses[id] = time }

    mutating func add(snapshot json: [UInt8], at time: WallTime) { snapshot = (json, time) }

    /// Takes back what could not be written; what has been learnt since then stands.
    mutating func putBack(_ earlier: PendingFacts) {
        sightings.merge(earlier.sightings) { later, earlier in
            Sighting(firstTime: earlier.firstTime, latest: later.latest)
        }
        decisions.merge(earlier.decisions) { later, _ in later }
        tokenUses.merge(earlier.tokenUses) { later, _ in later }
        snapshot = snapshot ?? earlier.snapshot
    }
}
