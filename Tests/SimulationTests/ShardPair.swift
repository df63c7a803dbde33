import Coordinator
import Primitives
import TestKit

/// A hub and a front in one simulated world; what passes between them takes a moment, as between threads.
final class ShardPair {
    let world: SimulatedWorld
    private(set) var frontCoordinator: Coordinator!
    private(set) var front: Front!
    private(set) var hub: Hub!
    var losesQuestions = false
    /// The front's loop hangs: what the hub sends waits.
    var frontIsStuck = false
    private(set) var waitingBatches: [HubBatch] = []

    init(
        settings: CoordinatorSettings = SimulatedWorld.settings, journal: (any CoordinatorJournal)? = nil,
        frontBegins: Bool = true
    ) {
        world = SimulatedWorld(settings: settings, journal: journal)
        let environment = world.environment
        let hub = Hub(coordinator: world.coordinator, frontCount: 1) { [unowned self] _, batch in
            _ = environment.schedule(at: environment.now + .microseconds(20)) { self.arrived(batch) }
        }
        self.hub = hub
        frontCoordinator = Coordinator(settings: settings, environment: environment, link: hub.links[0])
        front = Front(coordinator: frontCoordinator, link: hub.links[0]) { [unowned self] message in
            if losesQuestions { return }
            _ = environment.schedule(at: environment.now + .microseconds(20)) { self.hub.received(message) }
        }
        if frontBegins { front.begin() }
    }

    private func arrived(_ batch: HubBatch) {
        if frontIsStuck { waitingBatches.append(batch) } else { front.received(batch) }
    }

    func frontGoesOn() {
        frontIsStuck = false
        let waiting = waitingBatches
        waitingBatches = []
        for batch in waiting { front.received(batch) }
    }

    func buyer() -> SimulatedBuyer { SimulatedBuyer(world.environment, to: frontCoordinator.buyerAcceptor) }

    var leftovers: [String] {
        world.leftovers + (hub.openExchangeCount == 0 ? [] : ["exchanges at the hub"])
            + (front.openExchangeCount == 0 ? [] : ["exchanges at the front"])
    }
}
