import JSON
package import Primitives

/// `nak`: the provider did not understand a message (docs/protocol.md section 5).
package struct Nak: Equatable {
    /// Type of the message that it answers.
    package var inReplyTo: ByteView
    /// Which request it was about, if the provider says so.
    package var requestID: ByteView?
    package var code: ByteView
    package var message: ByteView?

    package init(inReplyTo: ByteView, requestID: ByteView? = nil, code: ByteView, message: ByteView? = nil) {
        self.inReplyTo = inReplyTo
        self.requestID = requestID
        self.code = code
        self.message = message
    }

    init(_ message: JSONValue) throws(MessageError) {
        inReplyTo = try message.text("in_reply_to")
        requestID = try message.optionalText("request_id", in: RequestID.acceptedByteCounts)
        let error = try message.object("error")
        code = try error.text("code", in: 0...Int.max, "error.code")
        self.message = try error.optionalText("message", in: 0...Int.max, "error.message")
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("nak")
            writer.member("in_reply_to", inReplyTo)
            writer.optionalMember("request_id", requestID)
            writer.key("error")
            writer.beginObject()
            writer.member("code", code)
            writer.optionalMember("message", message)
            writer.endObject()
            writer.endObject()
        }
    }
}
