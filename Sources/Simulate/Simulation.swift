import JSON
import Primitives
import TestKit

/// Runs seed after seed, sums up, and makes the first failure small.
struct Simulation {
    private let options: SimulationOptions
    private let parser = JSONParser()
    private var tally = SwarmTally()
    private var failures = 0

    init(_ options: SimulationOptions) { self.options = options }

    /// - Returns: the exit code, 1 after a violation.
    consuming func run() -> Int32 {
        if options.listsFaults {
            for fault in Fault.allCases { print("\(fault.rawValue)\t\(fault.name)") }
            return 0
        }
        let start = Console.cpuSeconds
        var seedCount: UInt64 = 0
        for seed in options.firstSeed..<options.firstSeed + options.seedCount {
            let outcome = options.plan(seed: seed).run(parser: parser, isTalkative: options.isTalkative)
            tally.add(outcome.tally)
            seedCount += 1
            if outcome.violation != nil {
                failures += 1
                report(outcome)
                if !options.keepsGoing { break }
            }
        }
        summarise(seedCount, cpuSeconds: Console.cpuSeconds - start)
        return failures == 0 ? 0 : 1
    }

    private func report(_ outcome: SwarmOutcome) {
        print("VIOLATION  \(outcome.violation ?? "")")
        print("  repeat:  swift run trunkline-simulate \(outcome.plan.arguments) --trace")
        guard options.shrinks, !options.isTalkative else { return }
        var shrinker = Shrinker(outcome, parser: parser)
        let smallest = shrinker.run()
        print("  smaller: swift run trunkline-simulate \(smallest.plan.arguments) --trace")
        print("  there:   \(smallest.violation ?? "") (\(smallest.tally.events) events, \(shrinker.runCount) runs)")
        print("  faults left: \(smallest.plan.faults.members.map(\.name).joined(separator: " "))")
        print("  the last events:")
        for line in smallest.lastEvents.suffix(30) { print("    \(line)") }
    }

    private func summarise(_ seedCount: UInt64, cpuSeconds: Double) {
        let rate = Int(Double(tally.events) / max(cpuSeconds, 1e-9))
        print("seeds        \(seedCount)")
        print("events       \(tally.events)  (\(rate) per CPU second, \(Self.rounded(cpuSeconds)) s)")
        print("virtual time \(Self.rounded(tally.virtualTime.inSeconds / 3600)) h")
        print(
            "sessions     \(tally.sessions)   requests \(tally.requests)   dispatches \(tally.dispatches)   forwards \(tally.forwards)"
        )
        print("storage      \(tally.rows) rows, \(tally.restarts) restarts")
        print(
            "version 2    \(tally.encryptedSessions) sessions, \(tally.keyChanges) changes of keys, \(tally.brokenFrames) broken frames"
        )
        print("chunks       \(tally.chunksSent) sent, \(tally.chunksDelivered) delivered   PONGs \(tally.pongs)")
        let statuses = tally.statuses.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
        print("answers      \(statuses.joined(separator: "   "))")
        if !options.isSingle {
            print("faults")
            for fault in Fault.allCases {
                let name = fault.name + String(repeating: " ", count: max(1, 24 - fault.name.count))
                print("  \(name)\(tally.count(of: fault))")
            }
        }
        print("violations   \(failures)")
    }

    private static func rounded(_ number: Double) -> Double { (number * 100).rounded() / 100 }
}
