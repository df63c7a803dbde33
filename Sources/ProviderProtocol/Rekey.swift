import JSON
package import Primitives

/// What all four rekey messages say (docs/protocol.md section 4).
package struct RekeyAttempt: Sendable, Equatable {
    package var rekeyID: String
    package var assignedID: String
    package var oldKeyID: String

    package init(rekeyID: String, assignedID: String, oldKeyID: String) {
        self.rekeyID = rekeyID
        self.assignedID = assignedID
        self.oldKeyID = oldKeyID
    }

    init(_ message: JSONValue) throws(MessageError) {
        _ = try message.integer("version", in: 1...1)
        rekeyID = try message.text("rekey_id", in: 1...128).string
        assignedID = try message.text("assigned_id", in: 1...128).string
        oldKeyID = try message.text("old_kid", in: 1...128).string
    }

    func append(to writer: inout JSONWriter) {
        writer.member("version", 1)
        writer.member("rekey_id", rekeyID)
        writer.member("assigned_id", assignedID)
        writer.member("old_kid", oldKeyID)
    }
}

/// `aead_rekey_request`, from the coordinator.
package struct RekeyRequest: Sendable, Equatable {
    package enum Reason: WireName {
        case requestThreshold, ageThreshold

        package var name: StaticString {
            switch self {
            case .requestThreshold: "request_threshold"
            case .ageThreshold: "age_threshold"
            }
        }
    }

    package var attempt: RekeyAttempt
    package var reason: Reason
    package var coordinatorPublicKey: String
    package var selectedAEAD: String
    package var expiresAt: String
    package var responseChunkPlaintextEnvelope: Bool

    package init(
        attempt: RekeyAttempt, reason: Reason, coordinatorPublicKey: String, selectedAEAD: String = "A256GCM",
        expiresAt: String, responseChunkPlaintextEnvelope: Bool
    ) {
        self.attempt = attempt
        self.reason = reason
        self.coordinatorPublicKey = coordinatorPublicKey
        self.selectedAEAD = selectedAEAD
        self.expiresAt = expiresAt
        self.responseChunkPlaintextEnvelope = responseChunkPlaintextEnvelope
    }

    init(_ message: JSONValue) throws(MessageError) {
        attempt = try RekeyAttempt(message)
        reason = try message.choice("reason", Reason.self)
        coordinatorPublicKey = try message.text("coordinator_ecdh_public_key", in: 1...256).string
        selectedAEAD = try message.text("selected_aead", in: 1...64).string
        expiresAt = try message.text("expires_at", in: 1...64).string
        responseChunkPlaintextEnvelope = try message.flag("response_chunk_plaintext_envelope")
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("aead_rekey_request")
            attempt.append(to: &writer)
            writer.member("reason", literal: reason.name)
            writer.member("coordinator_ecdh_public_key", coordinatorPublicKey)
            writer.member("selected_aead", selectedAEAD)
            writer.member("expires_at", expiresAt)
            writer.member("response_chunk_plaintext_envelope", responseChunkPlaintextEnvelope)
            writer.endObject()
        }
    }
}

/// `aead_rekey_response`, from the provider.
package struct RekeyResponse: Sendable, Equatable {
    package var attempt: RekeyAttempt
    package var newKeyID: String
    package var providerPublicKey: String

    package init(attempt: RekeyAttempt, newKeyID: String, providerPublicKey: String) {
        self.attempt = attempt
        self.newKeyID = newKeyID
        self.providerPublicKey = providerPublicKey
    }

    init(_ message: JSONValue) throws(MessageError) {
        attempt = try RekeyAttempt(message)
        newKeyID = try message.text("new_kid", in: 1...128).string
        providerPublicKey = try message.text("provider_ecdh_public_key", in: 1...256).string
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("aead_rekey_response")
            attempt.append(to: &writer)
            writer.member("new_kid", newKeyID)
            writer.member("provider_ecdh_public_key", providerPublicKey)
            writer.endObject()
        }
    }
}

/// `aead_rekey_commit` from the coordinator, `aead_rekey_committed` from the provider: a proof under the new keys.
package struct RekeyProof: Equatable {
    package enum Kind: Sendable {
        case commit, committed

        package var name: StaticString {
            switch self {
            case .commit: "aead_rekey_commit"
            case .committed: "aead_rekey_committed"
            }
        }
    }

    package var attempt: RekeyAttempt
    package var newKeyID: String
    package var envelope: EncryptedEnvelope

    package init(attempt: RekeyAttempt, newKeyID: String, envelope: EncryptedEnvelope) {
        self.attempt = attempt
        self.newKeyID = newKeyID
        self.envelope = envelope
    }

    init(_ message: JSONValue) throws(MessageError) {
        attempt = try RekeyAttempt(message)
        newKeyID = try message.text("new_kid", in: 1...128).string
        try message.requireEncrypted()
        envelope = try EncryptedEnvelope(message.required("enc"))
    }

    package func append(_ kind: Kind, to queue: inout ByteQueue) {
        var enc = ByteQueue()
        enc.appendJSON { envelope.append(to: &$0) }
        Self.append(kind, attempt: attempt, newKeyID: newKeyID, enc: enc.view, to: &queue)
    }

    /// - Parameter enc: the sealed object, as JSON.
    static func append(
        _ kind: Kind, attempt: RekeyAttempt, newKeyID: String, enc: ByteView, to queue: inout ByteQueue
    ) {
        queue.appendJSON { writer in
            writer.begin(kind.name)
            attempt.append(to: &writer)
            writer.member("new_kid", newKeyID)
            writer.member("encrypted", true)
            writer.key("enc")
            writer.raw(enc)
            writer.endObject()
        }
    }
}

/// What both proofs seal: the same bytes in both directions, hence keys in this order.
package struct RekeyProofContent: Sendable, Equatable {
    package var request: RekeyRequest
    package var response: RekeyResponse
    package var providerID: String

    package init(request: RekeyRequest, response: RekeyResponse, providerID: String) {
        self.request = request
        self.response = response
        self.providerID = providerID
    }

    package func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("aead_rekey_proof")
            writer.member("version", 1)
            writer.member("rekey_id", request.attempt.rekeyID)
            writer.member("provider_id", providerID)
            writer.member("assigned_id", request.attempt.assignedID)
            writer.member("old_kid", request.attempt.oldKeyID)
            writer.member("new_kid", response.newKeyID)
            writer.member("provider_ecdh_public_key", response.providerPublicKey)
            writer.member("coordinator_ecdh_public_key", request.coordinatorPublicKey)
            writer.member("selected_aead", request.selectedAEAD)
            writer.member("expires_at", request.expiresAt)
            writer.endObject()
        }
    }
}
