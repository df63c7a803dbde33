import Primitives

/// The last things that happened, cheap enough to be kept always.
struct SwarmTrace {
    enum Actor: UInt8 { case world, provider, buyer, operators, coordinator }

    struct Entry {
        var time: MonotonicInstant
        var actor: Actor
        var index: Int
        var what: StaticString
        var first: Int
        var second: Int

        var text: String {
            let nanoseconds = time.nanoseconds
            let fraction = String(nanoseconds / 1_000 % 1_000_000)
            let seconds =
                "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
            let name =
                switch actor {
                case .world: "world"
                case .provider: "p\(index)"
                case .buyer: "b\(index)"
                case .operators: "operator"
                case .coordinator: "coordinator"
                }
            var text = "\(seconds)  \(name): \(what)"
            if first >= 0 { text += " \(first)" }
            if second >= 0 { text += " \(second)" }
            return text
        }
    }

    private static let length = 80
    private var ring: [Entry] = []
    private var next = 0

    mutating func append(_ entry: Entry) {
        if ring.count < Self.length {
            ring.append(entry)
        } else {
            ring[next] = entry
        }
        next = (next + 1) % Self.length
    }

    var lines: [String] {
        let start = ring.count < Self.length ? 0 : next
        return ring.indices.map { ring[(start + $0) % ring.count].text }
    }
}
