import Crypto
import HTTPCodec
import JSON
import Primitives
import WebSocketCodec

/// What the decoders make of bytes, for a comparison with other implementations: reads inputs as hexadecimal lines from
/// standard input, and answers each with one line `{"events":[…],"error":…}`. Bytes are hexadecimal there too.
enum EventLines {
    enum Codec: String {
        case http
        case webSocketServer = "ws-server"
        case webSocketClient = "ws-client"
    }

    static func answer(_ codec: Codec) {
        while let line = readLine() {
            guard let bytes = withByteView(line, { Hexadecimal.decode($0) }) else { fail("not hexadecimal") }
            var input = ByteQueue()
            input.append(bytes)
            var output = ByteQueue()
            output.appendJSON { json in
                json.beginObject()
                json.key("events")
                json.beginArray()
                let error =
                    switch codec {
                    case .http: decodeRequests(input.view, &json)
                    case .webSocketServer: decodeFrames(&input, role: .server, &json)
                    case .webSocketClient: decodeFrames(&input, role: .client, &json)
                    }
                json.endArray()
                json.key("error")
                if let error { json.int(error) } else { json.null() }
                json.endObject()
            }
            print(output.view.string)
        }
    }

    /// Returns the status of the refusal.
    private static func decodeRequests(_ input: ByteView, _ json: inout JSONWriter) -> Int? {
        var decoder = RequestDecoder(limits: HTTPLimits())
        var input = input
        do throws(HTTPError) {
            while let event = try decoder.next(&input) {
                switch event {
                case .head(let head): add("head", head.methodName + " " + head.target, to: &json)
                case .body(let data): add("body", data, to: &json)
                case .end: add("end", .empty, to: &json)
                }
            }
            return nil
        } catch {
            return error.status
        }
    }

    /// Returns the close code of the fault.
    private static func decodeFrames(_ input: inout ByteQueue, role: WebSocketRole, _ json: inout JSONWriter) -> Int? {
        guard var bytes = input.mutableView else { return nil }
        var decoder = FrameDecoder(role: role, maxMessageByteCount: 1 << 20)
        do throws(WebSocketError) {
            while let event = try decoder.next(&bytes) {
                switch event {
                case .text(let payload): add("text", payload, to: &json)
                case .binary(let payload): add("binary", payload, to: &json)
                case .ping(let payload): add("ping", payload, to: &json)
                case .pong(let payload): add("pong", payload, to: &json)
                case .close(let code, let reason): add("close", "\(code?.rawValue ?? 1005) \(reason.string)", to: &json)
                }
            }
            return nil
        } catch {
            return Int(error.code.rawValue)
        }
    }

    private static func add(_ kind: StaticString, _ text: String, to json: inout JSONWriter) {
        withByteView(text) { add(kind, $0, to: &json) }
    }

    private static func add(_ kind: StaticString, _ bytes: ByteView, to json: inout JSONWriter) {
        json.beginArray()
        json.literal(kind)
        json.string(Hexadecimal.encode(bytes))
        json.endArray()
    }
}
