package import Primitives

extension ProviderPool {
    /// Who takes this request (docs/protocol.md 8). Takes no slot: ``requestStarted(_:now:)`` does.
    package func route(_ query: RouteQuery, now: MonotonicInstant) -> Result<EntryHandle, RouteFailure> {
        guard let model = modelTable.index(of: query.model) else { return .failure(.modelNotFound) }
        let excluded = query.excluding.isEmpty ? [] : query.excluding.filter { resolve($0) != nil }.map(\.index)
        switch query.target {
        case .any:
            return best(query, root: modelTable[root: model], excluded: excluded, now: now)
        case .session(let session):
            guard let session, let place = placesBySession[session] else { return .failure(.sessionEnded) }
            return check(Int(place), query, model: model, excluded: excluded, now: now)
        case .provider(let providerID):
            guard let place = placesByProvider[providerID.string] else { return .failure(.targetCannotServe) }
            return check(Int(place), query, model: model, excluded: excluded, now: now)
        }
    }

    private func best(
        _ query: RouteQuery, root: UInt32, excluded: [UInt32], now: MonotonicInstant
    ) -> Result<EntryHandle, RouteFailure> {
        let order: CandidateTree.Order =
            switch query.preference ?? settings.policy {
            case .pack: .pack
            case .fast: .fast
            case .accurate: .accurate
            }
        let winner = candidates.best(
            order, root: root, minimumContext: query.estimatedTokens, excluding: excluded)
        if winner != CandidateTree.none { return .success(handle(at: winner)) }
        let soonest = candidates.best(
            .soonestQuota, root: root, minimumContext: query.estimatedTokens, excluding: excluded)
        if soonest == CandidateTree.none { return .failure(.noProviderAvailable) }
        return .failure(quotaExceeded(until: candidates.key(soonest).quotaReset, now: now))
    }

    /// The buyer insists on one provider: nobody else will do.
    private func check(
        _ index: Int, _ query: RouteQuery, model: UInt32, excluded: [UInt32], now: MonotonicInstant
    ) -> Result<EntryHandle, RouteFailure> {
        let entry = self[at: index]
        guard entry.modelIndex == model else { return .failure(.modelNotFound) }
        guard !excluded.contains(UInt32(index)), entry.profile.maxContextTokens >= query.estimatedTokens else {
            return .failure(.targetCannotServe)
        }
        switch entry.eligibility {
        case .eligible: return .success(entry.handle)
        case .overQuota: return .failure(quotaExceeded(until: entry.quota.windowEnd, now: now))
        case .ineligible: return .failure(.targetCannotServe)
        }
    }

    private func quotaExceeded(until reset: MonotonicInstant, now: MonotonicInstant) -> RouteFailure {
        let nanoseconds = max((reset - now).inNanoseconds, 0)
        let seconds = nanoseconds / 1_000_000_000 + (nanoseconds % 1_000_000_000 > 0 ? 1 : 0)
        return .quotaExceeded(retryAfterSeconds: Int(min(max(seconds, 1), 120)))
    }
}
