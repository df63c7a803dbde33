import HTTPCodec
import Primitives
import ProviderProtocol

/// What buyers see of the session that served them (docs/protocol.md, section 9).
extension ProviderSession {
    func answerFields(for id: RequestID) -> ResponseFields {
        var fields = ResponseFields()
        fields.append("Content-Type", "application/json")
        appendRoute(id, to: &fields)
        return fields
    }

    func streamFields(for id: RequestID) -> ResponseFields {
        var fields = ResponseFields()
        fields.append("Content-Type", "text/event-stream; charset=utf-8")
        fields.append("Cache-Control", "no-cache")
        fields.append("X-Accel-Buffering", "no")
        appendRoute(id, to: &fields)
        return fields
    }

    private func appendRoute(_ id: RequestID, to fields: inout ResponseFields) {
        fields.append("X-MacProvider-Provider", providerID)
        fields.append("X-MacProvider-Route", self.id.text)
        fields.append("x-request-id", id.text)
    }
}
