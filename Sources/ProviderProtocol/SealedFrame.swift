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

    /// The members of `enc`; of members with the same name the first one counts. One walk, since a chunk comes by here.
    @inline(__always) init(_ enc: JSONValue) throws(MessageError) {
        guard enc.isObject else { throw .invalid(field: "enc") }
        var (alg, seq, nonce, aad, ciphertext, tag, kid): Members = (nil, nil, nil, nil, nil, nil, nil)
        for (key, value) in enc.members {
            switch key.count {
            case 3 where key == "alg": alg = alg ?? value
            case 3 where key == "seq": seq = seq ?? value
            case 3 where key == "aad": aad = aad ?? value
            case 3 where key == "tag": tag = tag ?? value
            case 3 where key == "kid": kid = kid ?? value
            case 5 where key == "nonce": nonce = nonce ?? value
            case 10 where key == "ciphertext": ciphertext = ciphertext ?? value
            default: break
            }
        }
        self.alg = try Self.text(alg, in: 1...32, "enc.alg")
        guard let seq else { throw .missing(field: "enc.seq") }
        guard let number = seq.int, number >= 0 else { throw .invalid(field: "enc.seq") }
        self.seq = number
        self.nonce = try Self.text(nonce, in: 1...64, "enc.nonce")
        self.aad = try Self.text(aad, in: 1...4096, "enc.aad")
        self.ciphertext = try Self.text(ciphertext, in: 0...Int.max, "enc.ciphertext")
        self.tag = try Self.text(tag, in: 1...64, "enc.tag")
        self.kid = try Self.text(kid, in: 1...128, "enc.kid")
    }

    private typealias Members = (JSONValue?, JSONValue?, JSONValue?, JSONValue?, JSONValue?, JSONValue?, JSONValue?)

    @inline(__always) private static func text(
        _ value: JSONValue?, in lengths: ClosedRange<Int>, _ field: StaticString
    ) throws(MessageError) -> ByteView {
        guard let value else { throw .missing(field: field) }
        guard let text = value.string, lengths.contains(text.count) else { throw .invalid(field: field) }
        return text
    }

    func append(to writer: inout JSONWriter) {
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
        envelope = try EncryptedEnvelope(message.required("enc"))
    }

    package func append(_ kind: Kind, to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin(kind.name)
            writer.member("request_id", requestID)
            if let stream { writer.member("stream", stream) }
            writer.member("encrypted", true)
            writer.key("enc")
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
