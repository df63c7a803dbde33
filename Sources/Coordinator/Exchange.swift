import HTTPCodec
import Primitives
import ProviderProtocol

/// The buyer's end of one request: where its answer goes. Either the buyer's own connection, or, when that lives on
/// another shard, the way there.
protocol Exchange: AnyObject {
    /// Set by whoever works on the answer, for as long as it does: the two hold each other until then.
    var owner: (any ExchangeOwner)? { get set }
    /// Where the buyer is, for the request log.
    var buyerHost: String { get }
    /// Bytes that the buyer has not taken yet, as far as this end knows.
    var waitingByteCount: Int { get }

    /// Answers with a whole body. Does nothing once an answer has begun.
    func respond(status: Int, fields: ResponseFields, body: ByteView)
    func respond(with error: APIError)
    /// Begins an answer whose length is not known. Does nothing once an answer has begun.
    func beginStream(status: Int, fields: ResponseFields)
    /// Adds to an answer that was begun.
    func stream(_ data: ByteView)
    func endStream()
    /// Ends the connection without finishing the answer, so that the buyer sees it was cut.
    func abort()
}

extension Exchange {
    /// The same for a request that has a name: who reports the failure can say which one it was.
    func respond(with error: APIError, to id: RequestID) {
        var body = ByteQueue()
        error.appendBody(to: &body)
        var fields = error.fields
        fields.append("x-request-id", id.text)
        respond(status: error.status, fields: fields, body: body.view)
    }
}

/// Who works on the answer to a request, and must know when nobody waits for it any more.
protocol ExchangeOwner: AnyObject {
    /// The peer has gone (FIN or reset), or was cut for not reading. The exchange is over; nothing may be written.
    func exchangeAbandoned()
    /// Another shard cut the peer because too much waited for it. The exchange is over; nothing may be written.
    func exchangeCutAsSlow()
}

extension ExchangeOwner {
    func exchangeCutAsSlow() { exchangeAbandoned() }
}
