/// `${NAME}` in a value, replaced by the environment's value; `$${` stands for `${` itself.
enum VariableExpansion {
    enum Failure: Error, Equatable {
        case notSet(name: String)
        case malformed
    }

    static func expand(_ text: String, _ environment: (String) -> String?) throws(Failure) -> String {
        guard text.contains("${") else { return text }
        var result = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else { throw .malformed }
                let name = rest[rest.index(rest.startIndex, offsetBy: 2)..<end]
                guard isName(name) else { throw .malformed }
                guard let value = environment(String(name)) else { throw .notSet(name: String(name)) }
                // The value is not searched again: what the environment holds is data.
                result += value
                rest = rest[rest.index(after: end)...]
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private static func isName(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, !(0x30...0x39).contains(first) else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F: true
            default: false
            }
        }
    }
}
