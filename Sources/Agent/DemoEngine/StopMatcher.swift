import Primitives

/// Finds stop sequences in text that comes in pieces, and holds back what may become one.
///
/// The buyer must never see the beginning of a stop sequence, so the longest end of the text that begins one waits
/// until the next piece decides.
struct StopMatcher: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []

    init(stops: [[UInt8]]) { self.stops = stops.filter { !$0.isEmpty } }

    enum Verdict: Equatable {
        /// Text that is safe to show (it may be empty).
        case show([UInt8])
        /// A stop sequence is complete: the last text to show, without it.
        case stop([UInt8])
    }

    mutating func append(_ piece: [UInt8]) -> Verdict {
        guard !stops.isEmpty else { return .show(piece) }
        held += piece
        var earliest: Int?
        for stop in stops {
            if let index = Self.firstIndex(of: stop, in: held) { earliest = min(earliest ?? index, index) }
        }
        if let earliest {
            defer { held = [] }
            return .stop(Array(held[..<earliest]))
        }
        let waiting = longestBeginning()
        let safe = Array(held.dropLast(waiting))
        held.removeFirst(safe.count)
        return .show(safe)
    }

    /// The text is over: what was held back belongs to it after all.
    mutating func finish() -> [UInt8] {
        defer { held = [] }
        return held
    }

    private func longestBeginning() -> Int {
        var longest = 0
        for stop in stops {
            var length = min(stop.count - 1, held.count)
            while length > longest {
                if held.suffix(length).elementsEqual(stop.prefix(length)) { longest = length }
                length -= 1
            }
        }
        return longest
    }

    private static func firstIndex(of needle: [UInt8], in text: [UInt8]) -> Int? {
        guard text.count >= needle.count else { return nil }
        return (0...(text.count - needle.count)).first { text[$0..<($0 + needle.count)].elementsEqual(needle) }
    }
}
