import JSON
package import Primitives

/// Typed access to the members of a message. `label` is the name in errors where a member of a nested object needs its
/// path. An optional member that is null counts as absent.
extension JSONValue {
    @inline(__always) func required(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError)
        -> JSONValue
    {
        guard let value = self[name] else { throw .missing(field: label ?? name) }
        return value
    }

    private func optional(_ name: StaticString) -> JSONValue? {
        guard let value = self[name], !value.isNull else { return nil }
        return value
    }

    func text(
        _ name: StaticString, in lengths: ClosedRange<Int> = 0...Int.max, _ label: StaticString? = nil
    ) throws(MessageError) -> ByteView {
        guard let text = try required(name, label).string, lengths.contains(text.count) else {
            throw .invalid(field: label ?? name)
        }
        return text
    }

    func optionalText(
        _ name: StaticString, in lengths: ClosedRange<Int> = 0...Int.max, _ label: StaticString? = nil
    ) throws(MessageError) -> ByteView? {
        optional(name) == nil ? nil : try text(name, in: lengths, label)
    }

    func integer(
        _ name: StaticString, in range: ClosedRange<Int> = 0...Int.max, _ label: StaticString? = nil
    ) throws(MessageError) -> Int {
        guard let number = try required(name, label).int, range.contains(number) else {
            throw .invalid(field: label ?? name)
        }
        return number
    }

    func optionalInteger(
        _ name: StaticString, in range: ClosedRange<Int> = 0...Int.max, _ label: StaticString? = nil
    ) throws(MessageError) -> Int? {
        optional(name) == nil ? nil : try integer(name, in: range, label)
    }

    /// Finite and not negative.
    func number(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError) -> Double {
        guard let number = try required(name, label).double, number.isFinite, number >= 0 else {
            throw .invalid(field: label ?? name)
        }
        return number
    }

    func optionalNumber(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError) -> Double? {
        optional(name) == nil ? nil : try number(name, label)
    }

    func flag(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError) -> Bool {
        guard let flag = try required(name, label).bool else { throw .invalid(field: label ?? name) }
        return flag
    }

    func optionalFlag(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError) -> Bool? {
        optional(name) == nil ? nil : try flag(name, label)
    }

    func object(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError) -> JSONValue {
        let value = try required(name, label)
        guard value.isObject else { throw .invalid(field: label ?? name) }
        return value
    }

    func optionalObject(_ name: StaticString, _ label: StaticString? = nil) throws(MessageError) -> JSONValue? {
        optional(name) == nil ? nil : try object(name, label)
    }

    /// One of the names of `Choice`.
    func choice<Choice: WireName>(_ name: StaticString, _: Choice.Type) throws(MessageError) -> Choice {
        guard let choice = Choice(named: try text(name)) else { throw .invalid(field: name) }
        return choice
    }

    func requestID() throws(MessageError) -> ByteView { try text("request_id", in: RequestID.acceptedByteCounts) }
}

/// An enum whose cases have fixed names on the wire.
package protocol WireName: CaseIterable, Sendable, Equatable {
    var name: StaticString { get }
}

extension WireName {
    package init?(named text: ByteView) {
        guard let match = Self.allCases.first(where: { text == $0.name }) else { return nil }
        self = match
    }
}

extension JSONWriter {
    mutating func begin(_ type: StaticString) {
        beginObject()
        member("type", literal: type)
    }

    mutating func optionalMember(_ name: StaticString, _ text: ByteView?) { if let text { member(name, text) } }
    mutating func optionalMember(_ name: StaticString, _ text: String?) { if let text { member(name, text) } }
    mutating func optionalMember(_ name: StaticString, _ number: Int?) { if let number { member(name, number) } }
    mutating func optionalMember(_ name: StaticString, _ number: Double?) { if let number { member(name, number) } }

    mutating func nullableMember(_ name: StaticString, _ number: Double?) {
        if let number { member(name, number) } else { memberNull(name) }
    }

    mutating func nullableMember(_ name: StaticString, _ text: String?) {
        if let text { member(name, text) } else { memberNull(name) }
    }
}
