import Crypto
package import HTTPCodec
package import Primitives

/// The opening handshake (RFC 6455 section 4), both sides. No extension and no subprotocol is offered or accepted.
package enum WebSocketHandshake {
    package static let version: StaticString = "13"
    private static let guid: StaticString = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    private static let nonceByteCount = 16

    /// What a server gives for the client's key; proves that it speaks WebSocket.
    static func acceptKey(for key: ByteView) -> String {
        var joined = ByteQueue()
        joined.append(key)
        joined.append(guid)
        return withByteView(SHA1.digest(of: joined.view)) { Base64.standard.encode($0) }
    }
}

// MARK: - Server

extension WebSocketHandshake {
    /// Why a request is no opening handshake, and what to answer.
    package struct Rejection: Error, Sendable {
        /// 400, or 426 for another version of the protocol.
        package var status: Int
        package var reason: StaticString

        /// Header fields of the answer: a 426 says what is spoken here (RFC 6455 section 4.4).
        package var fields: ResponseFields {
            var fields = ResponseFields()
            if status == 426 {
                fields.append("Upgrade", "websocket" as StaticString)
                fields.append("Sec-WebSocket-Version", version)
            }
            return fields
        }
    }

    /// Checks a client's request; its Host was checked where it was decoded.
    ///
    /// - Returns: the value of Sec-WebSocket-Accept.
    package static func accept(_ head: RequestHead) -> Result<String, Rejection> {
        guard head.method == .get else { return .failure(Rejection(status: 400, reason: "method is not GET")) }
        guard head.version == .http11 else { return .failure(Rejection(status: 400, reason: "not HTTP/1.1")) }
        guard head.bodyFraming == .none || head.bodyFraming == .length(0) else {
            return .failure(Rejection(status: 400, reason: "unexpected body"))
        }
        guard head.fieldContainsToken("Upgrade", "websocket"), head.fieldContainsToken("Connection", "upgrade") else {
            return .failure(Rejection(status: 400, reason: "not a WebSocket upgrade"))
        }
        guard head.fieldCount("Sec-WebSocket-Version") == 1,
            head.withField("Sec-WebSocket-Version", { $0 == version }) == true
        else { return .failure(Rejection(status: 426, reason: "unsupported Sec-WebSocket-Version")) }
        guard head.fieldCount("Sec-WebSocket-Key") == 1,
            let accepted = head.withField("Sec-WebSocket-Key", { isKey($0) ? acceptKey(for: $0) : nil }) ?? nil
        else { return .failure(Rejection(status: 400, reason: "malformed Sec-WebSocket-Key")) }
        return .success(accepted)
    }

    private static func isKey(_ value: ByteView) -> Bool {
        value.count == (nonceByteCount + 2) / 3 * 4 && Base64.standard.decode(value)?.count == nonceByteCount
    }

    /// The 101 that ends HTTP on this connection.
    package static func writeSwitchingProtocols(acceptKey: String, into queue: inout ByteQueue) {
        queue.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        queue.append("Sec-WebSocket-Accept: ")
        queue.append(acceptKey)
        queue.append("\r\n\r\n")
    }
}

// MARK: - Client

extension WebSocketHandshake {
    /// Why a server's answer is no agreement.
    package enum Failure: Error, Equatable, Sendable {
        /// It answered something else than 101.
        case refused(status: Int)
        case notAnUpgrade
        case wrongAcceptKey
        /// It uses an extension or a subprotocol that was not offered.
        case unrequestedExtension
    }

    /// A fresh Sec-WebSocket-Key out of 128 random bits.
    package static func key(randomHigh: UInt64, randomLow: UInt64) -> String {
        var words = (randomHigh.bigEndian, randomLow.bigEndian)
        return withUnsafeBytes(of: &words) { Base64.standard.encode(ByteView($0)) }
    }

    /// The opening request.
    ///
    /// - Parameters:
    ///   - host: of the Host field: the name or address, with the port where it is not the scheme's own.
    ///   - path: with the query; bytes that cannot stand in a request line are percent-encoded.
    ///   - fields: more header fields, such as Authorization.
    package static func writeRequest(
        host: String, path: String, key: String, fields: ResponseFields = ResponseFields(),
        into queue: inout ByteQueue
    ) {
        queue.append("GET ")
        if !path.utf8.starts(with: "/".utf8) { queue.append("/") }
        for byte in path.utf8 {
            if byte > 0x20, byte < 0x7F, byte != 0x23 {
                queue.append(byte)
            } else {
                queue.append("%")
                withByteView([byte]) { Hexadecimal.encode($0, into: &queue) }
            }
        }
        queue.append(" HTTP/1.1\r\nHost: ")
        for byte in host.utf8 where byte > 0x20 && byte < 0x7F { queue.append(byte) }
        queue.append("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: ")
        queue.append(version)
        queue.append("\r\nSec-WebSocket-Key: ")
        queue.append(key)
        queue.append("\r\n")
        queue.append(fields.bytes)
        queue.append("\r\n")
    }

    /// Checks the answer to a request that carried `key` (RFC 6455 section 4.1).
    package static func check(_ head: ResponseHead, key: String) throws(Failure) {
        guard head.status == 101 else { throw .refused(status: head.status) }
        guard head.version == .http11, head.fieldContainsToken("Upgrade", "websocket"),
            head.fieldContainsToken("Connection", "upgrade")
        else { throw .notAnUpgrade }
        let expected = withByteView(key) { acceptKey(for: $0) }
        guard head.fieldCount("Sec-WebSocket-Accept") == 1, head.field("Sec-WebSocket-Accept") == expected else {
            throw .wrongAcceptKey
        }
        guard head.fieldCount("Sec-WebSocket-Extensions") == 0, head.fieldCount("Sec-WebSocket-Protocol") == 0 else {
            throw .unrequestedExtension
        }
    }
}
