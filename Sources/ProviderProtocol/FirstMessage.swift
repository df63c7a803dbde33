package import JSON
package import Primitives

/// The message that opens a session, checked in the order of docs/protocol.md section 3 as far as it can be without
/// knowing the pool: shape, protocol version, tier.
package enum FirstMessage: Sendable, Equatable {
    case hello(ProviderHello)
    case authRequest(AuthInitial)

    package var description: ProviderDescription {
        switch self {
        case .hello(let hello): hello.description
        case .authRequest(let initial): initial.description
        }
    }

    /// `text` needs the padding that ``JSON/JSONParser/parse(_:)`` asks for.
    package static func parse(_ text: ByteView, with parser: JSONParser) throws(SessionRefusal) -> FirstMessage {
        let message: Message
        do throws(MessageError) { message = try Message(text, with: parser) } catch {
            throw error == .notJSON ? .unreadable : .unrecognizedAuthMessage
        }
        if message.type == "hello" {
            let hello: ProviderHello
            do throws(MessageError) { hello = try ProviderHello(message.value) } catch {
                throw .invalidHello(field: error.field ?? "type")
            }
            guard hello.version == 1 else { throw .versionUnsupported(version: hello.version) }
            guard hello.tier == 1 else { throw .tierUnsupported(tier: hello.tier) }
            return .hello(hello)
        }
        if message.type == "auth_request" {
            let request: AuthRequest
            do throws(MessageError) { request = try AuthRequest(message.value) } catch {
                throw .invalidAuthRequest(field: error.field ?? "type")
            }
            // A proof answers a challenge, and none has been given yet.
            guard case .initial(let initial) = request else { throw .invalidAuthRequest(field: "stage") }
            guard initial.version == 2 else { throw .versionUnsupported(version: initial.version) }
            guard initial.capabilities.canSeal else { throw .noCommonAEADSuite }
            return .authRequest(initial)
        }
        throw .unrecognizedAuthMessage
    }
}
