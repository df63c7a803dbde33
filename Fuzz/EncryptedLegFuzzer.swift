import Crypto
import JSON
import Primitives
import ProviderProtocol

// One entry for libFuzzer, built as Fuzz/run says. Whatever a peer without the keys sends, nothing opens; what the other
// end has sealed opens once, as what it was, and not at all with one bit changed.

private let identity = LegIdentity(providerID: "m4-anon", assignedID: "11111111-2222-4333-8444-555555555555")
private let requestID: StaticString = "req-00000000-0000-4000-8000-000000000001"

private final class Legs {
    let parser = JSONParser()
    let workspace = LegWorkspace()
    var coordinator: EncryptedLeg
    var provider: EncryptedLeg

    init() throws {
        let first = try Self.key(1)
        let second = try Self.key(2)
        coordinator = try EncryptedLeg(
            role: .coordinator, privateKey: first, peerPublicKey: second.publicKeyText, identity: identity,
            hasChunkEnvelope: true)
        provider = try EncryptedLeg(
            role: .provider, privateKey: second, peerPublicKey: first.publicKeyText, identity: identity,
            hasChunkEnvelope: true)
    }

    private static func key(_ byte: UInt8) throws -> X25519PrivateKey {
        try X25519PrivateKey(SecretKey(byteCount: 32) { for index in $0.indices { $0[index] = byte } })
    }

    /// The data of the chunk in `message`, opened by the coordinator; nil if it is refused, or is no sealed chunk.
    func openedChunk(_ message: ByteView) -> [UInt8]? {
        guard case .sealedChunk(let frame)? = try? ProviderMessage.parse(message, with: parser) else { return nil }
        let additionalData = coordinator.chunkAdditionalData(requestID: ByteView(requestID), stream: true)
        return (try? coordinator.openChunk(frame, additionalData, workspace))?.data.array
    }

    func opensAnything(_ message: ByteView) -> Bool {
        if case .sealedEnd(let frame)? = try? ProviderMessage.parse(message, with: parser),
            (try? coordinator.openEnd(frame, stream: true, workspace)) != nil
        {
            return true
        }
        if case .sealedInferenceRequest(let frame)? = try? CoordinatorMessage.parse(message, with: parser),
            (try? provider.openRequest(frame, workspace)) != nil
        {
            return true
        }
        return openedChunk(message) != nil
    }
}

// libFuzzer calls from one thread only.
nonisolated(unsafe) private let shared = try? Legs()

@_cdecl("LLVMFuzzerTestOneInput")
func fuzzEncryptedLeg(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard let legs = shared else { preconditionFailure("the keys do not work") }
    guard count > 2 else { return 0 }
    let place = Int(start[0]) << 8 | Int(start[1])
    let input = ByteView(base: start + 2, count: count - 2)

    var message = ByteQueue()
    message.append(input)
    precondition(!legs.opensAnything(message.view), "a forged message was opened")

    guard String(validating: input.buffer, as: UTF8.self) != nil else { return 0 }
    var sealed = ByteQueue()
    let additionalData = legs.provider.chunkAdditionalData(requestID: ByteView(requestID), stream: true)
    guard
        (try? legs.provider.sealChunk(
            ResponseChunk(requestID: ByteView(requestID), seq: 0, data: input), additionalData, legs.workspace,
            into: &sealed)) != nil
    else { preconditionFailure("a chunk was not sealed") }
    let bytes = sealed.view.array
    if let changed = sealed.mutableView {
        let bit = UInt8(1) << UInt8(place % 8)
        changed.base[place / 8 % changed.count] ^= bit
        // A changed name or space may leave the frame what it was, but never makes it another.
        if let data = legs.openedChunk(changed.readOnly) {
            precondition(withByteView(data) { $0 == input }, "a changed frame was opened as something else")
            return 0
        }
    }
    var again = ByteQueue()
    again.append(bytes)
    precondition(legs.openedChunk(again.view).map { withByteView($0) { $0 == input } } == true, "a frame did not open")
    precondition(legs.openedChunk(again.view) == nil, "a frame was opened twice")
    return 0
}
