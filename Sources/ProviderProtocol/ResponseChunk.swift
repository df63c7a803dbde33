import JSON
package import Primitives

/// `inference_response_chunk`: a piece of an answer (docs/protocol.md sections 5 and 7).
package struct ResponseChunk: Equatable {
    package var requestID: ByteView
    /// Counts from 0 within a request.
    package var seq: Int
    /// One or more whole server-sent events, or, when not streaming, the JSON body.
    package var data: ByteView

    package init(requestID: ByteView, seq: Int, data: ByteView) {
        self.requestID = requestID
        self.seq = seq
        self.data = data
    }

    /// Bytes that ``append(to:)`` will write if the data has as many quotes as JSON usually has.
    package var estimatedByteCount: Int { 96 + requestID.count + data.count + data.count / 8 }

    package func append(to queue: inout ByteQueue) {
        queue.append("{\"type\":\"inference_response_chunk\",\"request_id\":")
        appendJSONString(requestID, to: &queue)
        queue.append(",\"seq\":")
        queue.append(decimal: seq)
        queue.append(",\"data\":")
        appendJSONString(data, to: &queue)
        queue.append("}")
    }
}

extension ProviderMessage {
    /// The hot path: one walk over the members instead of one search per field, told apart by length first.
    @inline(__always) static func parseChunk(_ message: JSONValue) throws(MessageError) -> ProviderMessage {
        var requestID: JSONValue?
        var seq: JSONValue?
        var data: JSONValue?
        var encrypted: JSONValue?
        var envelope: JSONValue?
        // Of members with the same name the first one counts, as everywhere.
        for (key, value) in message.members {
            switch key.count {
            case 3 where seq == nil && key == "seq": seq = value
            case 3 where envelope == nil && key == "enc": envelope = value
            case 4 where data == nil && key == "data": data = value
            case 9 where encrypted == nil && key == "encrypted": encrypted = value
            case 10 where requestID == nil && key == "request_id": requestID = value
            default: break
            }
        }
        guard let requestID else { throw .missing(field: "request_id") }
        guard let id = requestID.string, RequestID.acceptedByteCounts.contains(id.count) else {
            throw .invalid(field: "request_id")
        }
        if let envelope {
            guard let encrypted else { throw .missing(field: "encrypted") }
            guard encrypted.bool == true else { throw .invalid(field: "encrypted") }
            return .sealedChunk(SealedFrame(requestID: id, envelope: try EncryptedEnvelope(envelope)))
        }
        guard let seq else { throw .missing(field: "seq") }
        guard let number = seq.int, number >= 0 else { throw .invalid(field: "seq") }
        guard let data else { throw .missing(field: "data") }
        guard let text = data.string else { throw .invalid(field: "data") }
        return .chunk(ResponseChunk(requestID: id, seq: number, data: text))
    }
}
