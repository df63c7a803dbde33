package import Primitives

/// A provider is in.
package struct Admission: Equatable, Sendable {
    package var handle: EntryHandle
    package var tier: ProviderTier
    /// An older session of the same provider, out of the pool already: close it with 1008, fail what ran in it.
    package var replaced: ReplacedSession?
    /// A provisional id that was not known: keep it in the store.
    package var isNewProvisional: Bool
    /// The provider sent an `endpoint_url` that is not used: log a warning.
    package var ignoresEndpointURL: Bool
}

package struct ReplacedSession: Equatable, Sendable {
    package var handle: EntryHandle
    package var sessionID: UniqueID
}

package enum PromotionFailure: Error, Equatable, Sendable {
    /// 404: never admitted.
    case providerNotFound
    /// 409
    case alreadyPinned
}

/// A provider id is banned.
package struct Rejection: Equatable, Sendable {
    /// Its live session, now draining: send `drain`, then close it with 4009.
    package var session: EntryHandle?
    package var actions: [PoolAction]
}

extension ProviderPool {
    /// Registers a provider whose `hello` is valid: ban, pool size, provisional limits, in this order.
    ///
    /// It is `ready` with `maxConcurrency` free slots at once. `sessionID` becomes its `assigned_id`; it must be new.
    package mutating func admit(
        _ profile: ProviderProfile, sessionID: UniqueID, now: MonotonicInstant, wallTime: WallTime
    ) -> Result<Admission, AdmissionRefusal> {
        let providerID = profile.providerID
        if admission.isRejected(providerID) { return .failure(.banned(providerID: providerID)) }

        let older = placesByProvider[providerID].map { self[at: Int($0)] }
        let others = countsWithout(providerID)
        guard others.connected < settings.maxProviders else { return .failure(.poolFull) }

        let tier = admission.tier(of: providerID)
        var isNew = false
        if tier == .provisional {
            do throws(AdmissionRefusal) {
                isNew = try admission.admitProvisional(providerID, connected: others.connectedProvisional, now: now)
            } catch {
                return .failure(error)
            }
        }

        var replaced: ReplacedSession?
        if let older {
            if older.isConnected { replaced = ReplacedSession(handle: older.handle, sessionID: older.sessionID) }
            removeEntry(Int(older.handle.index), now: now)
        }
        let handle = insert(profile, tier: tier, sessionID: sessionID, now: now, wallTime: wallTime)
        return .success(
            Admission(
                handle: handle, tier: tier, replaced: replaced, isNewProvisional: isNew,
                ignoresEndpointURL: profile.endpointURL != nil && self[at: Int(handle.index)].endpointURL == nil))
    }

    /// Why ``admit(_:sessionID:now:wallTime:)`` would refuse this id now; nil if it would not. Takes nothing, so that a
    /// handshake of several messages can ask before the last one.
    package func admissionRefusal(of providerID: String, now: MonotonicInstant) -> AdmissionRefusal? {
        if admission.isRejected(providerID) { return .banned(providerID: providerID) }
        let others = countsWithout(providerID)
        guard others.connected < settings.maxProviders else { return .poolFull }
        guard admission.tier(of: providerID) == .provisional else { return nil }
        return admission.provisionalRefusal(of: providerID, connected: others.connectedProvisional, now: now)
    }

    /// The counts as they would be without this provider's session.
    private func countsWithout(_ providerID: String) -> PoolCounts {
        var others = counts
        if let place = placesByProvider[providerID], self[at: Int(place)].isConnected {
            others[connected: self[at: Int(place)].tier] -= 1
        }
        return others
    }

    private mutating func insert(
        _ profile: ProviderProfile, tier: ProviderTier, sessionID: UniqueID, now: MonotonicInstant, wallTime: WallTime
    ) -> EntryHandle {
        let place = takePlace()
        let handle = handle(at: place)
        lastSequence += 1
        var profile = profile
        profile.normalize()
        let modelIndex = shareModelName(&profile)
        let endpointURL = settings.admission.pinned[profile.providerID]?.endpointURL
        var quota = RequestQuota(now: now)
        if let retired = retiredQuotas.removeValue(forKey: profile.providerID), retired.windowEnd > now {
            quota = retired
        }
        let entry = PoolEntry(
            handle: handle, sessionID: sessionID, profile: profile, tier: tier, endpointURL: endpointURL,
            inferencePath: endpointURL == nil ? .webSocketTunneled : .httpForwarding, connectedAt: now,
            connectedWallTime: wallTime, slots: SlotCount(maxConcurrency: profile.maxConcurrency),
            liveness: Liveness(now: now), quota: quota, modelIndex: modelIndex, sequence: lastSequence,
            quotaLimit: settings.admission.provisionalRequestQuotaPerHour, weight: weight(of: tier))
        places[Int(place)].entry = entry
        placesByProvider[profile.providerID] = place
        placesBySession[sessionID] = place
        counts[entry.state] += 1
        counts[connected: tier] += 1
        candidates.insert(place, entry.candidateKey, root: &modelTable[root: modelIndex])
        advanceDeadline(Int(place))
        return handle
    }

    /// Thousands of providers offer the same few models: they share one string each.
    mutating func shareModelName(_ profile: inout ProviderProfile) -> UInt32 {
        let index = modelTable.retain(profile.modelID)
        let shared = modelTable[index].name
        if shared == profile.modelID { profile.modelID = shared }
        return index
    }

    func weight(of tier: ProviderTier) -> Double {
        tier == .pinned ? 1 : settings.admission.provisionalWeight
    }

    /// The connection of this session is gone: `unavailable` for the grace period, or removed at once when it drained.
    /// What ran in it no longer counts; finishing it later is harmless.
    package mutating func disconnected(_ handle: EntryHandle, now: MonotonicInstant) -> [PoolAction] {
        guard let index = resolve(handle), self[at: index].isConnected else { return [] }
        var actions: [PoolAction] = []
        let entry = self[at: index]
        if entry.state != .draining {
            counts[connected: entry.tier] -= 1
            counts.activeRequests -= entry.activeRequests
            self[at: index].slots.clear()
            self[at: index].liveness.end()
            placesBySession[entry.sessionID] = nil
        }
        transition(index, cause: .disconnect, now: now, into: &actions) { [settings] machine in
            machine.disconnected(now: now, settings: settings)
        }
        if counts.total - counts.connected > settings.maxProviders, let ghost = resolve(handle) {
            removeAndReport(ghost, now: now, into: &actions)
        }
        return actions
    }

    /// The operator pins a provisional provider (or one rejected before): full weight, no quota, from now on.
    /// Returns what it was.
    package mutating func promote(
        _ providerID: String, now: MonotonicInstant
    ) -> Result<ProviderStanding, PromotionFailure> {
        let standing = admission.standing(of: providerID)
        switch standing {
        case .unknown: return .failure(.providerNotFound)
        case .pinned, .promoted: return .failure(.alreadyPinned)
        case .provisional, .rejected: break
        }
        admission.promote(providerID)
        if let place = placesByProvider[providerID] {
            let index = Int(place)
            if self[at: index].isConnected {
                counts[connected: self[at: index].tier] -= 1
                counts[connected: .pinned] += 1
            }
            self[at: index].tier = .pinned
            self[at: index].weight = weight(of: .pinned)
            refreshCandidate(index)
        }
        return .success(standing)
    }

    /// The operator bans a provider id, known or not. A live session drains, to be closed at the latest after
    /// `closeAfter`.
    package mutating func reject(_ providerID: String, closeAfter: Duration?, now: MonotonicInstant) -> Rejection {
        admission.reject(providerID)
        guard let place = placesByProvider[providerID], self[at: Int(place)].isConnected else {
            return Rejection(session: nil, actions: [])
        }
        let handle = handle(at: place)
        return Rejection(session: handle, actions: markDraining(handle, closeAfter: closeAfter, now: now))
    }

    /// Joins what earlier runs decided, when that could not be read before the pool began. Entries that are in keep their
    /// tier until they come again.
    package mutating func learn(_ records: AdmissionRecords) { admission.learn(records) }

    /// Forgets a provisional id whose retention is over: it is new when it comes again.
    package mutating func forgetProvisional(_ providerID: String) { admission.forget(providerID) }

    /// `drain` is being sent: nothing new goes there. With `closeAfter`, a ``PoolAction/close(_:_:)`` follows in time.
    package mutating func markDraining(
        _ handle: EntryHandle, closeAfter: Duration?, now: MonotonicInstant
    ) -> [PoolAction] {
        guard let index = resolve(handle) else { return [] }
        var actions: [PoolAction] = []
        transition(index, cause: .drainOrdered, now: now, into: &actions) { machine in
            machine.drainOrdered(closeAt: closeAfter.map { now + $0 })
            return .none
        }
        return actions
    }
}

extension ProviderProfile {
    /// The codec has checked these; whoever builds a profile without it cannot break the router's order.
    mutating func normalize() {
        maxConcurrency = min(
            max(maxConcurrency, SlotCount.concurrencyRange.lowerBound), SlotCount.concurrencyRange.upperBound)
        maxContextTokens = max(maxContextTokens, 0)
        throughputTPSEstimate = throughputTPSEstimate.finiteAndNotNegative
        modelParamsB = modelParamsB.finiteAndNotNegative
        ramGB = ramGB.finiteAndNotNegative
    }
}

extension Double {
    /// 0 for what is neither: a number that is not equal to itself has no place in an order.
    fileprivate var finiteAndNotNegative: Double { isFinite && self >= 0 ? self : 0 }
}
