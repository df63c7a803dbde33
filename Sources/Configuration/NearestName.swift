/// Finds what somebody who mistyped a name may have meant: a key in a file, an option on the command line.
package enum NearestName {
    /// The candidate with the fewest edits, if they are few for its length; the first of several.
    package static func of(_ name: String, among candidates: [String]) -> String? {
        guard name.utf8.count <= 100 else { return nil }
        var best: (distance: Int, name: String)?
        for candidate in candidates {
            let distance = distance(Array(name.lowercased().utf8), Array(candidate.utf8))
            guard distance <= max(2, candidate.utf8.count / 3) else { continue }
            if best.map({ distance < $0.distance }) ?? true { best = (distance, candidate) }
        }
        return best?.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...second.count)
        for (row, byte) in first.enumerated() {
            var current = [row + 1]
            for (column, other) in second.enumerated() {
                var best = min(last[column + 1], current[column]) + 1
                best = min(best, last[column] + (byte == other ? 0 : 1))
                if row > 0, column > 0, byte == second[column - 1], other == first[row - 1] {
                    best = min(best, beforeLast[column - 1] + 1)
                }
                current.append(best)
            }
            beforeLast = last
            last = current
        }
        return last[second.count]
    }
}
