import Primitives

/// What may go wrong in a swarm's world. Each seed draws which of these are on.
package enum Fault: Int, CaseIterable, Sendable {
    // The network.
    case splitPieces, jitter, smallBuffers
    case providerStalls, providerUplinkStalls, providerResets, providerVanishes, providerHalfCloses, providerBlackHole
    case buyerStalls, buyerResets, buyerVanishes, buyerHalfCloses
    // Providers that fail.
    case freeze, sleep, reconnectStorm, stateChanges, drainsItself, ignoresCancel, refusesPreflight, ignoresPreflight
    case errorEnd, queueFullEnd, cancelledEnd
    // Providers that lie.
    case unknownRequest, foreignRequest, finishedRequest, duplicateSeq, swappedSeq, lostSeq, strangeSeq, doubleEnd
    case earlyEnd, wrongCount
    // Providers that break the protocol.
    case garbageBytes, malformedMessage, oversizeMessage, pingFlood, badHello, lateHello, notUnderstood, nextVersion
    /// Does not read while more is sent to it than may wait.
    case stopsReading
    // Providers of version 2, in their greeting, in their frames, and when they are to change keys.
    case weakKey, badProof, missingProof
    case tamperedFrame, replayedFrame, wrongCounter, wrongKey, cutFrame, swappedFrames, downgrade, retiredKey
    case rekeyIgnored, rekeyLate, rekeyBroken
    // Endpoints that requests are forwarded to over HTTP.
    case endpointFails, endpointHangs, endpointCuts, endpointLate, endpointUnreachable
    // Buyers.
    case buyerLeaves, buyerPipelines, buyerGarbage, buyerOversize, buyerTrickles, buyerOldVersion
    // The coordinator's own surroundings.
    case operatorPolls, blacklist, promote, reject, drain, wallClockJump, tightLimits, shortTimeouts
    // Its storage, and what it needs one for.
    case storeSlow, storeFull, storeFails, storeUnreadable, storeSilent, tokensRevoked, restart, crash

    static let ofEncryption: [Fault] = [
        .weakKey, .badProof, .missingProof, .tamperedFrame, .replayedFrame, .wrongCounter, .wrongKey, .cutFrame,
        .swappedFrames, .downgrade, .retiredKey, .rekeyIgnored, .rekeyLate, .rekeyBroken,
    ]
    static let ofEndpoints: [Fault] = [
        .endpointFails, .endpointHangs, .endpointCuts, .endpointLate, .endpointUnreachable,
    ]

    static let ofStore: [Fault] = [
        .storeSlow, .storeFull, .storeFails, .storeUnreadable, .storeSilent, .tokensRevoked, .restart, .crash,
    ]

    package var name: String { "\(self)" }

    package init?(name: some StringProtocol) {
        guard let fault = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = fault
    }
}

package struct FaultSet: Equatable, Sendable {
    private var bits: UInt128 = 0

    package init() {}

    package func contains(_ fault: Fault) -> Bool { bits & 1 << UInt128(fault.rawValue) != 0 }
    package mutating func insert(_ fault: Fault) { bits |= 1 << UInt128(fault.rawValue) }
    package mutating func remove(_ fault: Fault) { bits &= ~(1 << UInt128(fault.rawValue)) }
    package var isEmpty: Bool { bits == 0 }
    package var members: [Fault] { Fault.allCases.filter(contains) }
}
