import Primitives

/// Why a provider is not let in, with what its close reason names (docs/protocol.md 2.3).
package enum AdmissionRefusal: Error, Equatable, Sendable {
    /// 4009
    case banned(providerID: String)
    /// 4429
    case poolFull
    /// 4007
    case provisionalPoolFull(max: Int)
    /// 4008
    case provisionalRateLimited(maxPerHour: Int)
}

/// What the operator's decisions and the configuration make of a provider id.
package enum ProviderStanding: Equatable, Sendable {
    case pinned, promoted, provisional, rejected, unknown
}

/// Who may join: pinned, promoted, provisional and rejected ids, and the rate of new ones (docs/protocol.md 6).
struct AdmissionControl: Sendable {
    private(set) var settings: AdmissionSettings
    private(set) var records: AdmissionRecords
    /// When the new ids of the last hour were admitted, oldest first; never longer than the rate.
    private var recentAdmissions: [MonotonicInstant] = []

    private static let rateWindow: Duration = .seconds(3600)

    init(settings: AdmissionSettings, records: AdmissionRecords) {
        self.settings = settings
        self.records = records
    }

    func isRejected(_ providerID: String) -> Bool { records.rejected.contains(providerID) }

    func tier(of providerID: String) -> ProviderTier {
        settings.pinned[providerID] != nil || records.promoted.contains(providerID) ? .pinned : .provisional
    }

    func standing(of providerID: String) -> ProviderStanding {
        if records.rejected.contains(providerID) { return .rejected }
        if settings.pinned[providerID] != nil { return .pinned }
        if records.promoted.contains(providerID) { return .promoted }
        return records.provisional.contains(providerID) ? .provisional : .unknown
    }

    /// Why a provisional id would not be let in now; nil if it would.
    func provisionalRefusal(of providerID: String, connected: Int, now: MonotonicInstant) -> AdmissionRefusal? {
        guard connected < settings.maxProvisionalProviders else {
            return .provisionalPoolFull(max: settings.maxProvisionalProviders)
        }
        if records.provisional.contains(providerID) { return nil }
        let recent = recentAdmissions.count { $0 + Self.rateWindow > now }
        guard recent < settings.provisionalRatePerHour else {
            return .provisionalRateLimited(maxPerHour: settings.provisionalRatePerHour)
        }
        return nil
    }

    /// Lets a provisional id in, and counts it if it is new. Returns whether it was.
    ///
    /// - Parameter connected: provisional providers connected now, without an older session of the same id.
    mutating func admitProvisional(
        _ providerID: String, connected: Int, now: MonotonicInstant
    ) throws(AdmissionRefusal) -> Bool {
        if let refusal = provisionalRefusal(of: providerID, connected: connected, now: now) { throw refusal }
        if records.provisional.contains(providerID) { return false }
        recentAdmissions.removeAll { $0 + Self.rateWindow <= now }
        recentAdmissions.append(now)
        records.provisional.insert(providerID)
        return true
    }

    mutating func promote(_ providerID: String) {
        records.rejected.remove(providerID)
        records.promoted.insert(providerID)
    }

    mutating func reject(_ providerID: String) {
        records.promoted.remove(providerID)
        records.rejected.insert(providerID)
    }

    /// Decisions of this run stand where both know an id.
    mutating func learn(_ earlier: AdmissionRecords) {
        records.provisional.formUnion(earlier.provisional)
        records.promoted.formUnion(earlier.promoted.subtracting(records.rejected))
        records.rejected.formUnion(earlier.rejected.subtracting(records.promoted))
    }

    mutating func forget(_ providerID: String) { records.provisional.remove(providerID) }
}
