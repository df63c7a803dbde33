/// Which end of the connection this is. A server expects masked frames and writes bare ones, a client the reverse
/// (RFC 6455 section 5.1).
package enum WebSocketRole: Sendable { case server, client }
