import JSON
package import Primitives

/// `auth_challenge`: the coordinator's key and what to prove (docs/protocol.md section 4).
package struct AuthChallenge: Sendable, Equatable {
    package var version: Int
    package var authAttemptID: String
    package var assignedID: String
    /// 32 random bytes, base64url.
    package var attestationChallenge: String
    package var attestationFormats: [String]
    /// X25519, base64url.
    package var coordinatorPublicKey: String
    package var selectedAEADSuite: String
    package var keyID: String
    /// RFC 3339.
    package var expiresAt: String

    package init(
        version: Int = 2, authAttemptID: String, assignedID: String, attestationChallenge: String,
        attestationFormats: [String], coordinatorPublicKey: String, selectedAEADSuite: String = "A256GCM",
        keyID: String, expiresAt: String
    ) {
        self.version = version
        self.authAttemptID = authAttemptID
        self.assignedID = assignedID
        self.attestationChallenge = attestationChallenge
        self.attestationFormats = attestationFormats
        self.coordinatorPublicKey = coordinatorPublicKey
        self.selectedAEADSuite = selectedAEADSuite
        self.keyID = keyID
        self.expiresAt = expiresAt
    }

    init(_ message: JSONValue) throws(MessageError) {
        version = try message.integer("version", in: 2...2)
        authAttemptID = try message.text("auth_attempt_id", in: 1...128).string
        assignedID = try message.text("assigned_id", in: 1...128).string
        attestationChallenge = try message.text("attestation_challenge", in: 1...256).string
        let formats = try message.required("attestation_formats")
        guard formats.isArray else { throw .invalid(field: "attestation_formats") }
        attestationFormats = []
        for format in formats.elements {
            guard let name = format.string, name.count <= 64, attestationFormats.count < 64 else {
                throw .invalid(field: "attestation_formats")
            }
            attestationFormats.append(name.string)
        }
        coordinatorPublicKey = try message.text("coordinator_ecdh_public_key", in: 1...256).string
        selectedAEADSuite = try message.text("selected_aead_suite", in: 1...64).string
        keyID = try message.text("key_id", in: 1...128).string
        expiresAt = try message.text("expires_at", in: 1...64).string
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("auth_challenge")
            writer.member("version", version)
            writer.member("auth_attempt_id", authAttemptID)
            writer.member("assigned_id", assignedID)
            writer.member("attestation_challenge", attestationChallenge)
            writer.key("attestation_formats")
            writer.beginArray()
            for format in attestationFormats { writer.string(format) }
            writer.endArray()
            writer.member("coordinator_ecdh_public_key", coordinatorPublicKey)
            // The same fact under both of its names.
            writer.member("selected_aead_suite", selectedAEADSuite)
            writer.member("selected_aead", selectedAEADSuite)
            writer.member("key_id", keyID)
            writer.member("expires_at", expiresAt)
            writer.endObject()
        }
    }
}
