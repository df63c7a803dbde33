/// The candidate that `word` was probably meant to be: at most a third of its letters differ. O(candidates × letters²).
func closestMatch(to word: String, among candidates: [String]) -> String? {
    // What a person types is short; what a script passes by accident may not be.
    guard word.utf8.count <= 64 else { return nil }
    let ranked = candidates.map { (candidate: $0, distance: editDistance(word, $0)) }
    guard let best = ranked.min(by: { $0.distance < $1.distance }) else { return nil }
    if best.distance <= max(1, best.candidate.count / 3) { return best.candidate }
    return candidates.first { word.count >= 3 && $0.hasPrefix(word) }
}

/// Insertions, deletions and replacements between two words, and swaps of neighbours (optimal string alignment).
func editDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left)
    let right = Array(right)
    var beforePrevious = [Int](repeating: 0, count: right.count + 1)
    var previous = Array(0...right.count)
    for row in left.indices {
        var current = [row + 1]
        for column in right.indices {
            let replaced = previous[column] + (left[row] == right[column] ? 0 : 1)
            var cheapest = min(replaced, previous[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                cheapest = min(cheapest, beforePrevious[column - 1] + 1)
            }
            current.append(cheapest)
        }
        beforePrevious = previous
        previous = current
    }
    return previous[right.count]
}
