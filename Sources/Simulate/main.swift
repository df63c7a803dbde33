import JSON
import Primitives
import TestKit

let options: SimulationOptions
do {
    options = try SimulationOptions(CommandLine.arguments.dropFirst())
} catch {
    Console.print(error: "trunkline-simulate: \(error)\n\n\(SimulationOptions.usage)")
    Console.exit(64)
}
if options.showsHelp {
    print(SimulationOptions.usage)
    Console.exit(0)
}
Console.makeHashingRepeatable()
Console.exit(Simulation(options).run())
