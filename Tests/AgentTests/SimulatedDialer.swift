import Environment
import Primitives
import TestKit

/// Connects to the scripted coordinator, or fails as it is told.
final class SimulatedDialer: Dialer {
    var failure: DialError?
    private(set) var dialedAt: [MonotonicInstant] = []
    private(set) var endpoints: [DialEndpoint] = []
    private let environment: SimulatedEnvironment
    private let coordinator: ScriptedCoordinator

    init(_ environment: SimulatedEnvironment, _ coordinator: ScriptedCoordinator) {
        self.environment = environment
        self.coordinator = coordinator
    }

    func dial(_ endpoint: DialEndpoint, timeout: Duration, target: any DialTarget) {
        dialedAt.append(environment.now)
        endpoints.append(endpoint)
        _ = environment.schedule(at: environment.now + .milliseconds(1)) { [self] in
            if let failure { return target.dialFailed(failure) }
            let ends = environment.connect(to: coordinator) { near, half in target.dialed(near, writeHalf: half) }
            coordinator.joined(ends.near, ends.far)
        }
    }
}
