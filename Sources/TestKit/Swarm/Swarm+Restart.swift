import Coordinator
import Pool
import Primitives

/// A coordinator that ends, in good order or not, and another one in its place.
extension Swarm {
    /// Plans what happens to the storage and to the process.
    func planRestart() {
        guard let store else { return }
        if plan.has(.restart) || plan.has(.crash) {
            let span = Int(plan.duration.inMilliseconds)
            let isCrash = plan.has(.crash) && (!plan.has(.restart) || random.chance(0.5))
            environment.tracksAcceptedConnections = true
            _ = environment.soon(
                after: .milliseconds(Int.random(in: span / 5...span * 4 / 5, using: &random)),
                .action { [unowned self] in if !isResting, !isDraining { isCrash ? crash() : restart() } })
        }
        guard plan.has(.tokensRevoked) else { return }
        let token = Int64(Int.random(in: 0..<plan.providerCount, using: &random))
        let span = Int(plan.duration.inMilliseconds)
        _ = environment.soon(
            after: .milliseconds(Int.random(in: 0...span, using: &random)),
            .action { [unowned self] in
                guard !isResting, !store.knownTokens.isEmpty else { return }
                struck(.tokensRevoked)
                note(.operators, 0, "token revoked", Int(token))
                store.revoke(token, by: coordinator)
            })
    }

    /// A coordinator with what the storage has.
    func makeCoordinator() -> Coordinator {
        guard let store else { return Coordinator(settings: settings, environment: environment) }
        guard store.opens() else {
            let made = Coordinator(settings: settings, environment: environment, journal: store)
            _ = environment.soon(
                after: .milliseconds(Int.random(in: 1...20_000, using: &random)),
                .action { [weak self, weak made] in
                    guard let self, let made, self.coordinator === made else { return }
                    self.note(.world, 0, "the storage can be read")
                    store.loaded(by: made)
                })
            return made
        }
        let made = Coordinator(
            settings: settings, environment: environment, records: store.records, tokens: store.tokens, journal: store)
        for provider in 0..<plan.providerCount {
            let id = "p\(provider)"
            let isPinned = settings.pool.admission.pinned[id] != nil
            let expected: ProviderStanding =
                if store.records.rejected.contains(id) { .rejected } else if isPinned {
                    .pinned
                } else if store.records.promoted.contains(id) {
                    .promoted
                } else if store.records.provisional.contains(id) { .provisional } else { .unknown }
            if made.pool.standing(of: id) != expected {
                fail("\(id) is \(made.pool.standing(of: id)) after a restart, \(expected) on record")
            }
        }
        return made
    }

    private func restart() {
        struck(.restart)
        startDrain(limit: .seconds([0, 1, 5, 30][Int.random(in: 0..<4, using: &random)]))
    }

    /// The drain of a restart has ended.
    func drained() {
        guard plan.has(.restart), store != nil, !isResting else { return }
        _ = environment.soon(.action { [unowned self] in if !isResting { end(inOrder: true) } })
    }

    private func crash() {
        struck(.crash)
        end(inOrder: false)
    }

    /// The process is gone: its timers, its connections and what it had not written yet.
    private func end(inOrder: Bool) {
        note(.world, 0, inOrder ? "the coordinator ends" : "the coordinator crashes")
        processEnds()
        store?.stop(inOrder: inOrder)
        forwarder.stop()
        coordinator.forwarder = nil
        environment.cutAcceptedConnections()
        // Behind the ends of all connections.
        _ = environment.soon(.action { [unowned self] in begin() })
    }

    private func begin() {
        environment.removeTimers()
        weak let old = coordinator
        replaceCoordinator()
        if old != nil { fail("the coordinator before is still in memory") }
        note(.world, 0, "another coordinator begins")
    }
}
