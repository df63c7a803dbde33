package import JSON
import Primitives

/// Makes a failing plan smaller for as long as it goes on failing: leaves out faults, actors and requests, and cuts the
/// time. What it fails with stays the same but for the numbers in it.
package struct Shrinker {
    private let parser: JSONParser
    private var smallest: SwarmOutcome
    private let kind: String
    package private(set) var runCount = 0

    package init(_ outcome: SwarmOutcome, parser: JSONParser) {
        smallest = outcome
        kind = Self.kind(of: outcome.violation ?? "")
        self.parser = parser
    }

    private static func kind(of violation: String) -> String { violation.filter { !$0.isNumber } }

    package mutating func run() -> SwarmOutcome {
        var isProgressing = true
        while isProgressing, runCount < 400 {
            isProgressing = false
            for fault in smallest.plan.faults.members where attempt({ $0.faults.remove(fault) }) {
                isProgressing = true
            }
            for index in 0..<smallest.plan.providerCount where !smallest.plan.withoutProviders.contains(index) {
                if attempt({ $0.withoutProviders.insert(index) }) { isProgressing = true }
            }
            for index in 0..<smallest.plan.buyerCount where !smallest.plan.withoutBuyers.contains(index) {
                if attempt({ $0.withoutBuyers.insert(index) }) { isProgressing = true }
            }
            while smallest.plan.requestsPerBuyer > 1, attempt({ $0.requestsPerBuyer -= 1 }) { isProgressing = true }
            while smallest.plan.duration > .milliseconds(10),
                attempt({ $0.duration = .milliseconds($0.duration.inMilliseconds / 2) })
            {
                isProgressing = true
            }
        }
        return smallest
    }

    /// Whether the plan still fails after `change`; if so, it stays changed.
    private mutating func attempt(_ change: (inout SwarmPlan) -> Void) -> Bool {
        var plan = smallest.plan
        change(&plan)
        runCount += 1
        let outcome = plan.run(parser: parser)
        guard let violation = outcome.violation, Self.kind(of: violation) == kind else { return false }
        smallest = outcome
        return true
    }
}
