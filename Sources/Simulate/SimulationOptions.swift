import Primitives
import TestKit

/// The command line.
struct SimulationOptions {
    static let usage = """
        usage: trunkline-simulate [--seeds N] [--from S]      run N seeds from S on (1000 from 1) and sum up
               trunkline-simulate --seed S [--trace]          run one seed; --trace prints every event

          --shrink              make the first failure as small as it goes (implied without --trace)
          --no-shrink           report the first failure as it is
          --keep-going          go on after a failure
          --without F,F         leave faults out
          --without-actors A,A  leave providers (p0, p1 …) and buyers (b0, b1 …) out
          --requests N          requests per buyer
          --milliseconds N      how long the actors act
          --faults              list the faults
        """

    struct Problem: Error, CustomStringConvertible {
        var description: String
    }

    var firstSeed: UInt64 = 1
    var seedCount: UInt64 = 1000
    var isSingle = false
    var isTalkative = false
    var shrinks = true
    var keepsGoing = false
    var showsHelp = false
    private var without: [Fault] = []
    private var withoutProviders: Set<Int> = []
    private var withoutBuyers: Set<Int> = []
    private var requests: Int?
    private var milliseconds: Int?
    var listsFaults = false

    init(_ arguments: some Sequence<String>) throws(Problem) {
        var rest = Array(arguments)[...]
        while let option = rest.popFirst() {
            switch option {
            case "--seeds": seedCount = UInt64(try Self.number(option, &rest))
            case "--from": firstSeed = UInt64(try Self.number(option, &rest))
            case "--seed":
                firstSeed = UInt64(try Self.number(option, &rest))
                seedCount = 1
                isSingle = true
            case "--trace": isTalkative = true
            case "--shrink": shrinks = true
            case "--no-shrink": shrinks = false
            case "--keep-going": keepsGoing = true
            case "--requests": requests = try Self.number(option, &rest)
            case "--milliseconds": milliseconds = try Self.number(option, &rest)
            case "--without":
                for name in try Self.value(option, &rest).split(separator: ",") {
                    guard let fault = Fault(name: name) else {
                        throw Problem(description: "no fault is called \(name)")
                    }
                    without.append(fault)
                }
            case "--without-actors":
                for name in try Self.value(option, &rest).split(separator: ",") {
                    guard let number = Int(name.dropFirst()) else { throw Problem(description: "no actor \(name)") }
                    if name.hasPrefix("p") { withoutProviders.insert(number) } else { withoutBuyers.insert(number) }
                }
            case "--faults": listsFaults = true
            case "--help", "-h": showsHelp = true
            default: throw Problem(description: "unknown option \(option)")
            }
        }
    }

    private static func value(_ option: String, _ rest: inout ArraySlice<String>) throws(Problem) -> String {
        guard let value = rest.popFirst() else { throw Problem(description: "\(option) needs a value") }
        return value
    }

    private static func number(_ option: String, _ rest: inout ArraySlice<String>) throws(Problem) -> Int {
        let text = try value(option, &rest)
        guard let number = Int(text), number >= 0 else {
            throw Problem(description: "\(option) needs a number, not \(text)")
        }
        return number
    }

    func plan(seed: UInt64) -> SwarmPlan {
        var plan = SwarmPlan(seed: seed)
        for fault in without { plan.faults.remove(fault) }
        plan.withoutProviders = withoutProviders
        plan.withoutBuyers = withoutBuyers
        if let requests { plan.requestsPerBuyer = requests }
        if let milliseconds { plan.duration = .milliseconds(milliseconds) }
        return plan
    }
}
