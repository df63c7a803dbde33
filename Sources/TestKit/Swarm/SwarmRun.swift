package import JSON
import Primitives

/// How one world ended.
package struct SwarmOutcome: Sendable {
    package var plan: SwarmPlan
    package var violation: String?
    package var lastEvents: [String]
    package var tally: SwarmTally
}

extension SwarmPlan {
    /// Lives through this plan once. The same plan gives the same outcome.
    package func run(parser: JSONParser, isTalkative: Bool = false) -> SwarmOutcome {
        let swarm = Swarm(plan: self, parser: parser, isTalkative: isTalkative)
        swarm.run()
        return SwarmOutcome(
            plan: self, violation: swarm.violation, lastEvents: swarm.violation == nil ? [] : swarm.lastEvents,
            tally: swarm.tally)
    }
}
