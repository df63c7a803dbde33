/// Which numbers of one direction have been seen. Frames of several requests may overtake each other on their way to
/// the wire, so a number may come ahead of a missing one, by at most ``width``; each comes once.
struct ReplayWindow: Equatable, Sendable {
    /// docs/protocol.md section 4: "a gap of at most 4,096 ahead".
    static let width = 4_096

    enum Verdict: Equatable { case fresh, replayed, tooFarAhead }

    /// The lowest number that has not been seen.
    private(set) var lowestMissing = 0
    /// One bit per number that was seen ahead of the lowest missing one, in a ring. Empty while nothing is missing,
    /// which is nearly always.
    private var ahead: [UInt64] = []
    private var aheadCount = 0

    private static let ringBitCount = 2 * width

    @inline(__always) func verdict(on seq: Int) -> Verdict {
        if seq == lowestMissing { return .fresh }
        if seq < lowestMissing { return .replayed }
        // Neither number is negative, so this cannot overflow.
        if seq - lowestMissing > Self.width { return .tooFarAhead }
        return isAhead(seq) ? .replayed : .fresh
    }

    /// `seq` is ``Verdict/fresh``, below `Int.max`, and its frame was authentic.
    @inline(__always) mutating func accepted(_ seq: Int) {
        if seq == lowestMissing && ahead.isEmpty {
            lowestMissing += 1
        } else {
            acceptedOutOfOrder(seq)
        }
    }

    @inline(never) private mutating func acceptedOutOfOrder(_ seq: Int) {
        if ahead.isEmpty { ahead = [UInt64](repeating: 0, count: Self.ringBitCount / 64) }
        set(seq, true)
        while isAhead(lowestMissing) {
            set(lowestMissing, false)
            lowestMissing += 1
        }
        if aheadCount == 0 { ahead = [] }
    }

    private func isAhead(_ seq: Int) -> Bool {
        guard !ahead.isEmpty else { return false }
        let place = seq % Self.ringBitCount
        return ahead[place / 64] >> UInt64(place % 64) & 1 == 1
    }

    private mutating func set(_ seq: Int, _ isSet: Bool) {
        let place = seq % Self.ringBitCount
        ahead[place / 64] ^= 1 << UInt64(place % 64)
        aheadCount += isSet ? 1 : -1
    }
}
