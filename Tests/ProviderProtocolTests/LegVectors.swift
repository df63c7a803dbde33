import Foundation
import Testing

/// What an independent implementation came to: `Resources/leg-vectors.py` writes it.
struct LegVectors: Decodable, Sendable {
    struct Session: Decodable, Sendable, CustomTestStringConvertible {
        var provider_id: String
        var assigned_id: String
        var envelope: Bool
        var provider_private_key: String
        var coordinator_private_key: String
        var provider_public_key: String
        var coordinator_public_key: String
        var key_id: String
        var c2p_key: String
        var p2c_key: String
        var c2p_nonce: String
        var p2c_nonce: String
        var requests: [Request]
        var chunks: [Chunk]
        var ends: [End]
        var rekey: Rekey

        var testDescription: String { provider_id }
    }

    struct Request: Decodable, Sendable {
        var request_id: String
        var stream: Bool
        var body: String
        var message: String
    }

    struct Chunk: Decodable, Sendable {
        var request_id: String
        var stream: Bool
        var seq: Int
        var data: String
        var message: String
    }

    struct End: Decodable, Sendable {
        var request_id: String
        var stream: Bool
        var chunks_sent: Int
        var message: String
    }

    struct Rekey: Decodable, Sendable {
        var provider_private_key: String
        var coordinator_private_key: String
        var key_id: String
        var rekey_id: String
        var expires_at: String
        var proof: String
        var request: String
        var response: String
        var commit: String
        var committed: String
        var next_chunk: String
    }

    var sessions: [Session]

    static let all: [Session] = {
        guard let url = Bundle.module.url(forResource: "leg-vectors", withExtension: "json", subdirectory: "Resources"),
            let data = try? Data(contentsOf: url),
            let vectors = try? JSONDecoder().decode(LegVectors.self, from: data)
        else { return [] }
        return vectors.sessions
    }()
}
