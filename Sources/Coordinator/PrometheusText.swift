import Primitives

/// Writes the Prometheus text exposition format, version 0.0.4: families with HELP and TYPE, then samples.
struct PrometheusText: ~Copyable {
    enum Kind: String { case counter, gauge, histogram }

    private(set) var queue = ByteQueue()
    private var family = ""

    /// Begins a metric family; the samples that follow belong to it.
    mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        family = name
        queue.append("# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n")
    }

    mutating func sample(_ labels: [(String, String)] = [], _ value: Double) { line(family, labels, Self.text(value)) }

    mutating func sample(_ labels: [(String, String)] = [], _ value: some BinaryInteger) {
        line(family, labels, String(value))
    }

    mutating func counter(_ name: String, _ help: String, _ value: UInt64) {
        family(name, .counter, help)
        sample([], value)
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Int) {
        family(name, .gauge, help)
        sample([], value)
    }

    mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        family(name, .gauge, help)
        sample([], value)
    }

    mutating func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
        family(name, .histogram, help)
        var cumulated: UInt64 = 0
        for (index, bound) in histogram.bounds.enumerated() {
            cumulated += histogram.counts[index]
            line("\(name)_bucket", [("le", Self.text(bound))], String(cumulated))
        }
        line("\(name)_bucket", [("le", "+Inf")], String(histogram.count))
        line("\(name)_sum", [], Self.text(histogram.sum))
        line("\(name)_count", [], String(histogram.count))
    }

    private mutating func line(_ name: String, _ labels: [(String, String)], _ value: String) {
        queue.append(name)
        if !labels.isEmpty {
            queue.append("{")
            for (index, label) in labels.enumerated() {
                if index > 0 { queue.append(",") }
                queue.append("\(label.0)=\"\(Self.escaped(label.1))\"")
            }
            queue.append("}")
        }
        queue.append(" \(value)\n")
    }

    /// Model names come from providers: a quote or a line break in one must not make a line of its own.
    private static func escaped(_ value: String) -> String {
        var escaped = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    private static func text(_ value: Double) -> String {
        if let whole = Int(exactly: value) { return String(whole) }
        return "\(value)"
    }
}
