import Primitives

extension JSONValue {
    /// Bytes of this value in its shortest form, as ``JSONWriter/value(_:)`` would write it; the estimate of a prompt's
    /// tokens starts from it. O(bytes).
    public var serializedByteCount: Int {
        switch kind {
        case .object:
            var total = 2
            for (key, member) in members { total += jsonStringByteCount(key) + 2 + member.serializedByteCount }
            return total > 2 ? total - 1 : total
        case .array:
            var total = 2
            for element in elements { total += element.serializedByteCount + 1 }
            return total > 2 ? total - 1 : total
        case .string: return jsonStringByteCount(string ?? .empty)
        case .integer: return decimalByteCount(int ?? 0)
        case .double: return (double ?? 0).description.utf8.count
        case .bool: return bool == true ? 4 : 5
        case .null: return 4
        }
    }
}

private func decimalByteCount(_ number: Int) -> Int {
    var magnitude = number.magnitude
    var count = number < 0 ? 2 : 1
    while magnitude >= 10 {
        magnitude /= 10
        count += 1
    }
    return count
}
