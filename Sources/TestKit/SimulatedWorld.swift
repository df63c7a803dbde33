package import Coordinator
package import Pool
import Primitives

/// A coordinator in the simulated environment, with helpers to populate it.
package final class SimulatedWorld {
    package let environment: SimulatedEnvironment
    package let coordinator: Coordinator

    package init(
        seed: UInt64 = 1, settings: CoordinatorSettings = SimulatedWorld.settings,
        records: AdmissionRecords = AdmissionRecords(), tokens: [TokenRecord] = [],
        journal: (any CoordinatorJournal)? = nil
    ) {
        environment = SimulatedEnvironment(seed: seed)
        coordinator = Coordinator(
            settings: settings, environment: environment, records: records, tokens: tokens, journal: journal)
    }

    package static var settings: CoordinatorSettings {
        var settings = CoordinatorSettings()
        settings.authentication.operatorKey = "operator-key"
        settings.pool.admission.provisionalRatePerHour = 100_000
        settings.pool.admission.maxProvisionalProviders = 100_000
        settings.pool.admission.provisionalRequestQuotaPerHour = 1_000_000
        return settings
    }

    /// Joins a provider and waits until it is in the pool.
    package func join(_ provider: SimulatedProvider) -> SimulatedProvider {
        _ = environment.run(upTo: .seconds(5)) { provider.isLive || provider.phase == .closed }
        return provider
    }

    package func provider(
        _ id: String = "m1", model: String = "test-model", slots: Int = 4,
        onRequest: ((SimulatedProvider, SimulatedProvider.Request) -> Void)? = { $0.answer($1) }
    ) -> SimulatedProvider {
        let provider = SimulatedProvider(
            environment, to: coordinator.providerAcceptor, id: id, model: model, slots: slots)
        provider.onRequest = onRequest
        return join(provider)
    }

    package func buyer() -> SimulatedBuyer { SimulatedBuyer(environment, to: coordinator.buyerAcceptor) }
    package func operatorConnection() -> SimulatedBuyer {
        SimulatedBuyer(environment, to: coordinator.providerAcceptor)
    }

    /// Runs until `buyer` has `count` complete answers, or is cut off.
    @discardableResult
    package func wait(for buyer: SimulatedBuyer, answers count: Int = 1, limit: Duration = .seconds(900)) -> Bool {
        environment.run(upTo: limit) { buyer.responses.count >= count || buyer.isOver }
            && buyer.responses.count >= count
    }

    // Through the world, not the environment: it alone keeps the coordinator alive for as long as the call runs.

    package func run(for duration: Duration) { environment.run(for: duration) }

    package func run(upTo limit: Duration, until condition: () -> Bool) -> Bool {
        environment.run(upTo: limit, until: condition)
    }

    /// What must hold when nothing is going on: nothing left over anywhere.
    package var leftovers: [String] {
        var found: [String] = []
        if coordinator.activeRequestCount != 0 { found.append("\(coordinator.activeRequestCount) requests") }
        if coordinator.pool.counts.activeRequests != 0 {
            found.append("\(coordinator.pool.counts.activeRequests) slots taken")
        }
        if coordinator.unauthenticatedConnectionCount != 0 { found.append("handshakes counted") }
        if coordinator.heldBodyByteCount != 0 { found.append("\(coordinator.heldBodyByteCount) body bytes") }
        return found
    }
}
