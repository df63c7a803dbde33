/// A provider program's version, ordered by its dotted numbers: `1.10` is after `1.9`, `1.2` equals `1.2.0`. A leading
/// `v` and what follows the first `-` or `+` do not count; a part that is no number counts as 0.
package struct BinaryVersion: Comparable, Sendable {
    private let parts: [Int]

    package init(_ text: String) {
        let unprefixed = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let core = unprefixed.prefix { $0 != "-" && $0 != "+" }
        var parts = core.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        while parts.last == 0 { parts.removeLast() }
        self.parts = parts
    }

    package static func < (left: BinaryVersion, right: BinaryVersion) -> Bool {
        left.parts.lexicographicallyPrecedes(right.parts)
    }
}
