import JSON
package import Primitives

/// `enc`, the sealed part of a message of version 2 (docs/protocol.md section 4). Texts are base64url without padding,
/// as they came; opening them is not done here.
package struct EncryptedEnvelope: Equatable {
    package var alg: ByteView
    package var seq: Int
    package var nonce: ByteView
    package var aad: ByteView
    package var ciphertext: ByteView
    package var tag: ByteView
    package var kid: ByteView

    package init(
        alg: ByteView, seq: Int, nonce: ByteView, aad: ByteView, ciphertext: ByteView, tag: ByteView, kid: ByteView
    ) {
        self.alg = alg
        self.seq = seq
        self.nonce = nonce
        self.aad = aad
        self.ciphertext = ciphertext
        self.tag = tag
        self.kid = kid
    }

    init(_ message: JSONValue) throws(MessageError) {
        let envelope = try message.object("enc")
        alg = try envelope.text("alg", in: 1...32, "enc.alg")
        seq = try envelope.integer("seq", in: 0...Int.max, "enc.seq")
        nonce = try envelope.text("nonce", in: 1...64, "enc.nonce")
        aad = try envelope.text("aad", in: 1...4096, "enc.aad")
        ciphertext = try envelope.text("ciphertext", in: 0...Int.max, "enc.ciphertext")
        tag = try envelope.text("tag", in: 1...64, "enc.tag")
        kid = try envelope.text("kid", in: 1...128, "enc.kid")
    }

    func append(to writer: inout JSONWriter) {
        writer.key("enc")
        writer.beginObject()
        writer.member("alg", alg)
        writer.member("seq", seq)
        writer.member("nonce", nonce)
        writer.member("aad", aad)
        writer.member("ciphertext", ciphertext)
        writer.member("tag", tag)
        writer.member("kid", kid)
        writer.endObject()
    }
}

/// A message of a request whose content is sealed: which one is told by the case of the enum that carries it.
package struct SealedFrame: Equatable {
    package enum Kind: WireName {
        case inferenceRequest, responseChunk, responseEnd

        package var name: StaticString {
            switch self {
            case .inferenceRequest: "inference_request"
            case .responseChunk: "inference_response_chunk"
            case .responseEnd: "inference_response_end"
            }
        }
    }

    package var requestID: ByteView
    /// Only of an `inference_request`.
    package var stream: Bool?
    package var envelope: EncryptedEnvelope

    package init(requestID: ByteView, stream: Bool? = nil, envelope: EncryptedEnvelope) {
        self.requestID = requestID
        self.stream = stream
        self.envelope = envelope
    }

    init(_ message: JSONValue) throws(MessageError) {
        requestID = try message.requestID()
        stream = try message.optionalFlag("stream")
        try message.requireEncrypted()
        envelope = try EncryptedEnvelope(message)
    }

    package func append(_ kind: Kind, to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin(kind.name)
            writer.member("request_id", requestID)
            if let stream { writer.member("stream", stream) }
            writer.member("encrypted", true)
            envelope.append(to: &writer)
            writer.endObject()
        }
    }
}

extension JSONValue {
    func requireEncrypted() throws(MessageError) {
        guard try flag("encrypted") else { throw .invalid(field: "encrypted") }
    }

    var isSealed: Bool { self["enc"] != nil }
}
