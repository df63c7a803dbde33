import Primitives

/// Whether the engine can serve, and when to ask it next.
///
///       | state    | modelsListed            | listFailed / unreachable | probe due        |
///       | unknown  | up, or missing          | down                     | ask              |
///       | up       | up, or missing          | down                     | ask (slowly)     |
///       | missing  | up, or missing          | down                     | ask (backing off)|
///       | down     | up, or missing          | down                     | ask (backing off)|
package struct EngineHealth: Sendable {
    package enum State: Sendable, Equatable {
        /// Not asked yet.
        case unknown
        case up(model: String)
        /// The engine answers but does not have the model (or any model).
        case missing(available: [String])
        case down(reason: String)
    }

    package enum Change: Sendable, Equatable {
        case none
        case cameUp(model: String)
        case wentDown(reason: String)
        case lostModel(available: [String])
    }

    /// Between questions while all is well: a dead engine is noticed within this time even when nobody asks for it.
    package static let calmInterval = Duration.seconds(15)

    package private(set) var state = State.unknown
    /// The model to serve; nil until one was picked from the engine's list.
    package private(set) var wanted: String?
    private var backoff: ReconnectBackoff

    package init(wanted: String?, seed: UInt64) {
        self.wanted = wanted
        backoff = ReconnectBackoff(minimum: .seconds(1), maximum: .seconds(30), seed: seed)
    }

    package var isUp: Bool { if case .up = state { true } else { false } }

    /// How long after an answer the next question is due.
    package mutating func nextProbeDelay() -> Duration { isUp ? Self.calmInterval : backoff.failed() }

    /// The engine told its models. Names are compared without regard to case, as the network does.
    package mutating func modelsListed(_ models: [String]) -> Change {
        let match = wanted.map { wanted in models.first { $0.lowercased() == wanted.lowercased() } } ?? models.first
        guard let match else {
            let wasMissing = if case .missing = state { true } else { false }
            state = .missing(available: models)
            return wasMissing ? .none : .lostModel(available: models)
        }
        backoff.succeeded()
        let wasUp = isUp
        wanted = wanted ?? match
        state = .up(model: match)
        return wasUp ? .none : .cameUp(model: match)
    }

    /// The question failed, or a request found nobody there.
    package mutating func failed(_ reason: String) -> Change {
        let wasDown = if case .down = state { true } else { false }
        state = .down(reason: reason)
        return wasDown ? .none : .wentDown(reason: reason)
    }
}
