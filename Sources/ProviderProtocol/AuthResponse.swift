import JSON
package import Primitives

/// `auth_response`: the end of the handshake of version 2 (docs/protocol.md section 4).
package enum AuthResponse: Sendable, Equatable {
    case accepted(AuthAcceptance)
    case rejected(code: String, message: String)

    init(_ message: JSONValue) throws(MessageError) {
        _ = try message.integer("version", in: 2...2)
        let status = try message.text("status")
        if status == "accepted" {
            self = .accepted(try AuthAcceptance(message))
        } else if status == "rejected" {
            let error = try message.object("error")
            self = .rejected(
                code: try error.text("code", in: 0...Int.max, "error.code").string,
                message: try error.text("message", in: 0...Int.max, "error.message").string)
        } else {
            throw .invalid(field: "status")
        }
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("auth_response")
            writer.member("version", 2)
            switch self {
            case .accepted(let acceptance):
                writer.member("status", literal: "accepted")
                acceptance.append(to: &writer)
            case .rejected(let code, let message):
                writer.member("status", literal: "rejected")
                writer.key("error")
                writer.beginObject()
                writer.member("code", code)
                writer.member("message", message)
                writer.endObject()
            }
            writer.endObject()
        }
    }
}

package struct AuthAcceptance: Sendable, Equatable {
    package var assignedID: String
    package var heartbeatIntervalSeconds: Double
    /// `pinned` or `provisional`.
    package var tier: String
    package var keyID: String
    package var rekeyAfterRequests: Int
    package var rekeyAfterSeconds: Int
    package var responseChunkPlaintextEnvelope: Bool
    package var inBandAEADRekeyV1: Bool
    package var attestationStatus: String
    package var ramTierAttested: Bool

    package init(
        assignedID: String, heartbeatIntervalSeconds: Double, tier: String, keyID: String, rekeyAfterRequests: Int,
        rekeyAfterSeconds: Int, responseChunkPlaintextEnvelope: Bool, inBandAEADRekeyV1: Bool,
        attestationStatus: String = "not_required", ramTierAttested: Bool = false
    ) {
        self.assignedID = assignedID
        self.heartbeatIntervalSeconds = heartbeatIntervalSeconds
        self.tier = tier
        self.keyID = keyID
        self.rekeyAfterRequests = rekeyAfterRequests
        self.rekeyAfterSeconds = rekeyAfterSeconds
        self.responseChunkPlaintextEnvelope = responseChunkPlaintextEnvelope
        self.inBandAEADRekeyV1 = inBandAEADRekeyV1
        self.attestationStatus = attestationStatus
        self.ramTierAttested = ramTierAttested
    }

    init(_ message: JSONValue) throws(MessageError) {
        assignedID = try message.text("assigned_id", in: 1...128).string
        heartbeatIntervalSeconds = try message.number("heartbeat_interval_s")
        tier = try message.text("tier").string
        let session = try message.object("tier2_session")
        let leg = try session.object("encrypted_leg", "tier2_session.encrypted_leg")
        guard try leg.flag("enabled", "tier2_session.encrypted_leg.enabled") else {
            throw .invalid(field: "tier2_session.encrypted_leg.enabled")
        }
        guard try leg.text("alg", in: 0...64, "tier2_session.encrypted_leg.alg") == "A256GCM" else {
            throw .invalid(field: "tier2_session.encrypted_leg.alg")
        }
        keyID = try leg.text("kid", in: 1...128, "tier2_session.encrypted_leg.kid").string
        rekeyAfterRequests = try leg.integer(
            "rekey_after_requests", in: 0...Int.max, "tier2_session.encrypted_leg.rekey_after_requests")
        rekeyAfterSeconds = try leg.integer(
            "rekey_after_seconds", in: 0...Int.max, "tier2_session.encrypted_leg.rekey_after_seconds")
        responseChunkPlaintextEnvelope =
            try leg.optionalFlag(
                "response_chunk_plaintext_envelope", "tier2_session.encrypted_leg.response_chunk_plaintext_envelope")
            ?? false
        inBandAEADRekeyV1 =
            try leg.optionalFlag("in_band_aead_rekey_v1", "tier2_session.encrypted_leg.in_band_aead_rekey_v1") ?? false
        let attestation = try session.object("attestation", "tier2_session.attestation")
        attestationStatus = try attestation.text("status", in: 0...64, "tier2_session.attestation.status").string
        ramTierAttested =
            try attestation.optionalFlag("ram_tier_attested", "tier2_session.attestation.ram_tier_attested") ?? false
    }

    func append(to writer: inout JSONWriter) {
        writer.member("assigned_id", assignedID)
        writer.seconds("heartbeat_interval_s", heartbeatIntervalSeconds)
        writer.member("tier", tier)
        writer.key("tier2_session")
        writer.beginObject()
        writer.key("encrypted_leg")
        writer.beginObject()
        writer.member("enabled", true)
        writer.member("alg", literal: "A256GCM")
        writer.member("kid", keyID)
        writer.member("rekey_after_requests", rekeyAfterRequests)
        writer.member("rekey_after_seconds", rekeyAfterSeconds)
        writer.member("response_chunk_plaintext_envelope", responseChunkPlaintextEnvelope)
        writer.member("in_band_aead_rekey_v1", inBandAEADRekeyV1)
        writer.endObject()
        writer.key("attestation")
        writer.beginObject()
        writer.member("status", attestationStatus)
        writer.member("ram_tier_attested", ramTierAttested)
        writer.endObject()
        writer.key("model_hash")
        writer.beginObject()
        writer.member("status", literal: "")
        writer.endObject()
        writer.endObject()
    }
}
