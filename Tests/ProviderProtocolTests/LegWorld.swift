import Crypto
import JSON
import Primitives
import Testing

@testable import ProviderProtocol

/// Both ends of a leg, and what reads messages for them.
final class LegWorld {
    static let identity = LegIdentity(providerID: "m4-anon", assignedID: "11111111-2222-4333-8444-555555555555")
    static let requestID = "req-00000000-0000-4000-8000-000000000001"

    let workspace = LegWorkspace()
    let parser = JSONParser()
    var coordinator: EncryptedLeg
    var provider: EncryptedLeg

    init(hasChunkEnvelope: Bool = true) throws {
        let first = try Self.privateKey(seed: 1)
        let second = try Self.privateKey(seed: 2)
        coordinator = try EncryptedLeg(
            role: .coordinator, privateKey: first, peerPublicKey: second.publicKeyText, identity: Self.identity,
            hasChunkEnvelope: hasChunkEnvelope)
        provider = try EncryptedLeg(
            role: .provider, privateKey: second, peerPublicKey: first.publicKeyText, identity: Self.identity,
            hasChunkEnvelope: hasChunkEnvelope)
    }

    static func privateKey(seed: UInt64) throws -> X25519PrivateKey {
        var random = SeededRandom(seed: seed)
        return try X25519PrivateKey(
            SecretKey(byteCount: 32) {
                for index in $0.indices { $0[index] = UInt8(truncatingIfNeeded: random.next()) }
            })
    }

    static func privateKey(hexadecimal: String) throws -> X25519PrivateKey {
        let bytes = withByteView(hexadecimal) { Hexadecimal.decode($0) } ?? []
        return try X25519PrivateKey(withByteView(bytes) { SecretKey(copying: $0) })
    }

    // MARK: Sealing

    func request(_ id: String = LegWorld.requestID, stream: Bool = true, body: String) throws -> String {
        var queue = ByteQueue()
        try withByteView(Array(id.utf8)) { id in
            try withByteView(Array(body.utf8)) {
                try coordinator.sealRequest(requestID: id, stream: stream, body: $0, workspace, into: &queue)
            }
        }
        return queue.view.string
    }

    func chunk(_ id: String = LegWorld.requestID, stream: Bool = true, seq: Int = 0, data: String) throws -> String {
        var queue = ByteQueue()
        try withByteView(Array(id.utf8)) { id in
            let additionalData = provider.chunkAdditionalData(requestID: id, stream: stream)
            try withByteView(Array(data.utf8)) {
                try provider.sealChunk(
                    ResponseChunk(requestID: id, seq: seq, data: $0), additionalData, workspace, into: &queue)
            }
        }
        return queue.view.string
    }

    func end(_ id: String = LegWorld.requestID, stream: Bool = true, chunksSent: Int) throws -> String {
        var queue = ByteQueue()
        try withByteView(Array(id.utf8)) {
            try provider.sealEnd(
                ResponseEnd(requestID: $0, status: .complete, chunksSent: chunksSent), stream: stream, workspace,
                into: &queue)
        }
        return queue.view.string
    }

    // MARK: Opening

    struct NotSealed: Error {}

    func openRequest(_ message: String) throws -> (id: String, stream: Bool, body: String) {
        try padded(message) {
            guard case .sealedInferenceRequest(let frame) = try CoordinatorMessage.parse($0, with: parser) else {
                throw NotSealed()
            }
            let request = try provider.openRequest(frame, workspace)
            return (request.requestID.string, request.stream, request.body.string)
        }
    }

    func openChunk(
        _ message: String, as id: String = LegWorld.requestID, stream: Bool = true
    ) throws -> (seq: Int?, data: String) {
        try padded(message) { bytes in
            guard case .sealedChunk(let frame) = try ProviderMessage.parse(bytes, with: parser) else {
                throw NotSealed()
            }
            return try withByteView(Array(id.utf8)) {
                let additionalData = coordinator.chunkAdditionalData(requestID: $0, stream: stream)
                let chunk = try coordinator.openChunk(frame, additionalData, workspace)
                return (chunk.seq, chunk.data.string)
            }
        }
    }

    func openEnd(_ message: String, stream: Bool = true) throws -> (id: String, chunksSent: Int?) {
        try padded(message) {
            guard case .sealedEnd(let frame) = try ProviderMessage.parse($0, with: parser) else { throw NotSealed() }
            let end = try coordinator.openEnd(frame, stream: stream, workspace)
            return (end.requestID.string, end.chunksSent)
        }
    }

    func discard(_ message: String) throws {
        try padded(message) {
            switch try ProviderMessage.parse($0, with: parser) {
            case .sealedChunk(let frame): try coordinator.discard(frame, .responseChunk, workspace)
            case .sealedEnd(let frame): try coordinator.discard(frame, .responseEnd, workspace)
            default: throw NotSealed()
            }
        }
    }

    func padded<Result>(_ text: String, _ body: (ByteView) throws -> Result) rethrows -> Result {
        var queue = ByteQueue()
        queue.append(text)
        return try body(queue.view)
    }
}
