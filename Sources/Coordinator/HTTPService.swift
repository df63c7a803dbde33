import Environment
import HTTPCodec
import Primitives

/// What one listener serves: decides on heads, answers whole requests.
protocol HTTPService: AnyObject {
    /// A head has come. Called before any of the body is stored.
    func decide(on head: RequestHead, from connection: HTTPServerConnection) -> HeadDecision

    /// A request is complete. The service answers on `exchange`, now or later, exactly once.
    func handle(_ head: RequestHead, body: consuming HeldBody, exchange: HTTPServerConnection)
}

enum HeadDecision {
    /// Read the body and hand the request to ``HTTPService/handle(_:body:exchange:)``.
    case proceed
    /// Answer without reading the body, and close.
    case refuse(APIError)
    /// The connection leaves HTTP: `upgrade` takes it over.
    case upgrade(any ConnectionUpgrade)
}

/// Takes a connection over after its `101 Switching Protocols`.
protocol ConnectionUpgrade {
    /// Bytes of the response head.
    func appendResponse(to queue: inout ByteQueue)
    /// Makes the handler that goes on; it finds the bytes behind the request head in its first
    /// ``ConnectionHandler/received(_:)``.
    func makeHandler(
        _ connection: any Connection, writeHalf: consuming WriteHalf
    ) -> any ConnectionHandler
}
