/// Why a message was not understood. It names the field, which goes into the log and into some close reasons.
package enum MessageError: Error, Sendable {
    case notJSON
    case notAnObject
    case missingType
    case missing(field: StaticString)
    case invalid(field: StaticString)

    /// The field at fault; `type` if there is none, nil if there is no object at all.
    package var field: StaticString? {
        switch self {
        case .notJSON, .notAnObject: nil
        case .missingType: "type"
        case .missing(let field), .invalid(let field): field
        }
    }
}

extension MessageError: Equatable {
    package static func == (left: MessageError, right: MessageError) -> Bool { left.description == right.description }
}

extension MessageError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notJSON: "not JSON"
        case .notAnObject: "not a JSON object"
        case .missingType: "no type"
        case .missing(let field): "\(field) is missing"
        case .invalid(let field): "\(field) is invalid"
        }
    }
}
