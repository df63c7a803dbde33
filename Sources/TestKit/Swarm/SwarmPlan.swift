package import Coordinator
import Pool
import Primitives
import WebSocketCodec

/// All that a seed decides about one world before it begins. Whoever acts in it draws from a stream of his own, so that
/// leaving one actor or one fault out changes as little as possible for the others.
package struct SwarmPlan: Sendable {
    package let seed: UInt64
    package var faults = FaultSet()
    /// How often a fault that is on strikes when it could, 0...1.
    package var intensity = 0.05
    package var providerCount = 1
    package var buyerCount = 1
    package var requestsPerBuyer = 4
    /// Actors left out, by number.
    package var withoutProviders: Set<Int> = []
    package var withoutBuyers: Set<Int> = []
    /// For how long the actors act; then they rest, and what is going on must end.
    package var duration = Duration.seconds(20)
    package var largestFiller = 64
    package var mostChunks = 12
    /// Providers stop answering when the world comes to rest, instead of finishing what they have.
    package var providersRest = false
    package var modelCount = 1
    /// Some requests are longer than a batch to the socket.
    package var hasLargeRequests = false
    /// Some providers speak version 2 of the protocol. Keys cost time, so few worlds have them.
    package var hasEncryption = false
    /// Some providers are reached over HTTP.
    package var hasEndpoints = false
    /// The coordinator has a storage.
    package var hasStore = false

    package init(seed: UInt64) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        // One world in ten is free of faults: what goes wrong there is nobody else's fault.
        if !random.chance(0.1) {
            let density = [0.05, 0.15, 0.3, 0.5][Int.random(in: 0..<4, using: &random)]
            for fault in Fault.allCases where random.chance(density) { faults.insert(fault) }
        }
        intensity = [0.01, 0.05, 0.2][Int.random(in: 0..<3, using: &random)]
        providerCount = Int.random(in: 1...4, using: &random)
        buyerCount = Int.random(in: 1...6, using: &random)
        requestsPerBuyer = Int.random(in: 1...10, using: &random)
        duration = .seconds([5, 20, 60, 400][Int.random(in: 0..<4, using: &random)])
        largestFiller = [16, 64, 300, 300, 3_000][Int.random(in: 0..<5, using: &random)]
        mostChunks = [1, 6, 20, 40][Int.random(in: 0..<4, using: &random)]
        modelCount = random.chance(0.3) ? 2 : 1
        providersRest = random.chance(0.3)
        // On a slow link these would rightly run into write deadlines.
        if random.chance(0.1), !has(.smallBuffers), !has(.splitPieces), !has(.tightLimits), !has(.jitter) {
            hasLargeRequests = true
        }
        hasEncryption = random.chance(0.08)
        hasEndpoints = random.chance(0.15)
        hasStore = random.chance(0.3)
        if !faults.isEmpty {
            // What can go wrong only there goes wrong there often.
            var local: [Fault] = []
            if hasEncryption { local += Fault.ofEncryption }
            if hasEndpoints { local += Fault.ofEndpoints }
            if hasStore { local += Fault.ofStore }
            for fault in local where random.chance(0.25) { faults.insert(fault) }
        }
        if faults.contains(.sleep) { duration = .seconds(random.chance(0.3) ? 4 * 3600 : 400) }
    }

    /// Everything that few worlds have, with all that can go wrong there.
    package mutating func bringEverything() {
        hasEncryption = true
        hasEndpoints = true
        hasStore = true
        for fault in Fault.ofEncryption + Fault.ofEndpoints + Fault.ofStore { faults.insert(fault) }
    }

    package func has(_ fault: Fault) -> Bool { faults.contains(fault) }

    func random(for actor: UInt64) -> SeededRandom {
        SeededRandom(seed: seed &* 0x9E37_79B9_7F4A_7C15 &+ actor &* 0xBF58_476D_1CE4_E5B9 &+ 1)
    }

    package var settings: CoordinatorSettings {
        var random = random(for: 1)
        var settings = SimulatedWorld.settings
        if has(.shortTimeouts) {
            settings.routing.requestTimeout = .seconds(Int.random(in: 3...30, using: &random))
            settings.routing.preflightTimeout = .seconds(Int.random(in: 1...5, using: &random))
        }
        if has(.refusesPreflight) || has(.ignoresPreflight) { settings.routing.preflightThresholdTokens = 10 }
        if hasEncryption {
            settings.tier2.requiresEncryptedLeg = random.chance(0.2)
            if random.chance(0.8) { settings.tier2.rekeyAfterRequests = Int.random(in: 1...8, using: &random) }
            if random.chance(0.4) { settings.tier2.rekeyAfter = .seconds(Int.random(in: 2...90, using: &random)) }
        }
        if hasEndpoints {
            for index in 0..<providerCount where random.chance(0.5) {
                settings.pool.admission.pinned["p\(index)"] = PinnedProvider(endpointURL: "http://p\(index).test")
            }
        }
        if hasStore {
            settings.storage.snapshotInterval =
                random.chance(0.5) ? .seconds(Int.random(in: 5...300, using: &random)) : nil
        }
        if hasStore { settings.authentication.requiresProviderToken = random.chance(0.3) }
        guard has(.tightLimits) else { return settings }
        settings.providerLink.messageByteCount = random.chance(0.5) ? 64 * 1024 : 8 * 1024
        settings.providerLink.unauthenticatedConnectionCount = Int.random(in: 1...3, using: &random)
        settings.providerLink.writer.waitingMessageCount = Int.random(in: 1...4, using: &random)
        settings.providerLink.writer.waitingPongCount = Int.random(in: 2...50, using: &random)
        settings.limits.heldBodyByteCount = Int.random(in: 200...4_000, using: &random)
        settings.limits.bufferedByteCountPerRequest = Int.random(in: 2_000...40_000, using: &random)
        settings.limits.heldChunkCount = Int.random(in: 1...4, using: &random)
        settings.limits.pipelinedByteCount = Int.random(in: 50...1_000, using: &random)
        return settings
    }

    /// The options of `trunkline-simulate` that repeat this plan.
    package var arguments: String {
        let drawn = SwarmPlan(seed: seed)
        var words = ["--seed \(seed)"]
        let without = drawn.faults.members.filter { !has($0) }.map(\.name)
        if !without.isEmpty { words.append("--without \(without.joined(separator: ","))") }
        let actors = withoutProviders.sorted().map { "p\($0)" } + withoutBuyers.sorted().map { "b\($0)" }
        if !actors.isEmpty { words.append("--without-actors \(actors.joined(separator: ","))") }
        if requestsPerBuyer != drawn.requestsPerBuyer { words.append("--requests \(requestsPerBuyer)") }
        if duration != drawn.duration { words.append("--milliseconds \(duration.inMilliseconds)") }
        return words.joined(separator: " ")
    }
}
