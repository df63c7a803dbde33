import JSON
import Primitives

/// Any message before its type has been looked at.
struct Message {
    let value: JSONValue
    let type: ByteView

    /// `text` needs the padding that ``JSON/JSONParser/parse(_:)`` asks for.
    @inline(__always) init(_ text: ByteView, with parser: JSONParser) throws(MessageError) {
        do throws(JSONError) { value = try parser.parse(text) } catch { throw .notJSON }
        guard value.isObject else { throw .notAnObject }
        guard let type = value["type"] else { throw .missingType }
        guard let name = type.string else { throw .invalid(field: "type") }
        self.type = name
    }
}
