import Environment
import Primitives
import TestKit

/// Connects to an acceptor in the simulated world, or fails as it is told.
final class SimulatedDialer: Dialer {
    var failure: DialError?
    private(set) var dialedAt: [MonotonicInstant] = []
    private(set) var endpoints: [DialEndpoint] = []
    private let environment: SimulatedEnvironment
    private let acceptor: any ConnectionAcceptor
    private let joined: (_ near: SimulatedConnection, _ far: SimulatedConnection) -> Void

    init(
        _ environment: SimulatedEnvironment, to acceptor: any ConnectionAcceptor,
        joined: @escaping (_ near: SimulatedConnection, _ far: SimulatedConnection) -> Void
    ) {
        self.environment = environment
        self.acceptor = acceptor
        self.joined = joined
    }

    func dial(_ endpoint: DialEndpoint, timeout: Duration, target: any DialTarget) {
        dialedAt.append(environment.now)
        endpoints.append(endpoint)
        _ = environment.schedule(at: environment.now + .milliseconds(1)) { [self] in
            if let failure { return target.dialFailed(failure) }
            let ends = environment.connect(to: acceptor) { near, half in target.dialed(near, writeHalf: half) }
            joined(ends.near, ends.far)
        }
    }
}
