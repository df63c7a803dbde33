import JSON
package import Primitives

/// `auth_request`, sent twice by a provider of version 2 (docs/protocol.md section 4).
package enum AuthRequest: Sendable, Equatable {
    case initial(AuthInitial)
    case proof(AuthProof)

    init(_ message: JSONValue) throws(MessageError) {
        let stage = try message.text("stage")
        if stage == "initial" {
            self = .initial(try AuthInitial(message))
        } else if stage == "proof" {
            self = .proof(try AuthProof(message))
        } else {
            throw .invalid(field: "stage")
        }
    }

    package func append(to queue: inout ByteQueue) {
        switch self {
        case .initial(let initial): initial.append(to: &queue)
        case .proof(let proof): proof.append(to: &queue)
        }
    }
}

/// `tier2_capabilities` of a provider. What it does not mention it cannot do.
package struct Tier2Capabilities: Sendable, Equatable {
    package var encryptedLeg: Bool
    package var attestation: Bool
    package var aeadSuites: [String]
    package var responseChunkPlaintextEnvelope: Bool
    package var inBandAEADRekeyV1: Bool

    package init(
        encryptedLeg: Bool, attestation: Bool, aeadSuites: [String], responseChunkPlaintextEnvelope: Bool,
        inBandAEADRekeyV1: Bool
    ) {
        self.encryptedLeg = encryptedLeg
        self.attestation = attestation
        self.aeadSuites = aeadSuites
        self.responseChunkPlaintextEnvelope = responseChunkPlaintextEnvelope
        self.inBandAEADRekeyV1 = inBandAEADRekeyV1
    }

    /// Whether the only suite that there is can be used.
    package var canSeal: Bool { encryptedLeg && aeadSuites.contains("A256GCM") }

    private static let suiteCountLimit = 16

    init(_ message: JSONValue) throws(MessageError) {
        let value = try message.object("tier2_capabilities")
        encryptedLeg = try value.flag("encrypted_leg", "tier2_capabilities.encrypted_leg")
        attestation = try value.optionalFlag("attestation", "tier2_capabilities.attestation") ?? false
        let suites = try value.required("aead_suites", "tier2_capabilities.aead_suites")
        guard let count = suites.count, suites.isArray, count <= Self.suiteCountLimit else {
            throw .invalid(field: "tier2_capabilities.aead_suites")
        }
        aeadSuites = []
        for suite in suites.elements {
            guard let name = suite.string, name.count <= 64 else {
                throw .invalid(field: "tier2_capabilities.aead_suites")
            }
            aeadSuites.append(name.string)
        }
        responseChunkPlaintextEnvelope =
            try value.optionalFlag(
                "response_chunk_plaintext_envelope", "tier2_capabilities.response_chunk_plaintext_envelope") ?? false
        inBandAEADRekeyV1 =
            try value.optionalFlag("in_band_aead_rekey_v1", "tier2_capabilities.in_band_aead_rekey_v1") ?? false
    }

    func append(to writer: inout JSONWriter) {
        writer.key("tier2_capabilities")
        writer.beginObject()
        writer.member("encrypted_leg", encryptedLeg)
        writer.member("attestation", attestation)
        writer.key("aead_suites")
        writer.beginArray()
        for suite in aeadSuites { writer.string(suite) }
        writer.endArray()
        writer.member("response_chunk_plaintext_envelope", responseChunkPlaintextEnvelope)
        writer.member("in_band_aead_rekey_v1", inBandAEADRekeyV1)
        writer.endObject()
    }
}

/// Stage `initial`: what `hello` says, a key and capabilities.
@dynamicMemberLookup
package struct AuthInitial: Sendable, Equatable {
    /// 2, or it is not supported.
    package var version: Int
    package var description: ProviderDescription
    /// X25519, base64url; whether it is a key is found out by whoever uses it (4013, not 4001).
    package var providerPublicKey: String
    package var capabilities: Tier2Capabilities

    package init(
        version: Int = 2, description: ProviderDescription, providerPublicKey: String, capabilities: Tier2Capabilities
    ) {
        self.version = version
        self.description = description
        self.providerPublicKey = providerPublicKey
        self.capabilities = capabilities
    }

    init(_ message: JSONValue) throws(MessageError) {
        version = try message.integer("version", in: Int.min...Int.max)
        description = try ProviderDescription(message)
        providerPublicKey = try message.text("provider_ecdh_public_key", in: 0...256).string
        capabilities = try Tier2Capabilities(message)
    }

    package subscript<Value>(dynamicMember path: KeyPath<ProviderDescription, Value>) -> Value {
        description[keyPath: path]
    }

    func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("auth_request")
            writer.member("version", version)
            writer.member("stage", literal: "initial")
            description.append(to: &writer)
            writer.nullableMember("endpoint_url", description.endpointURL)
            writer.member("provider_ecdh_public_key", providerPublicKey)
            capabilities.append(to: &writer)
            writer.endObject()
        }
    }
}

/// Stage `proof`: the answer to the challenge.
package struct AuthProof: Sendable, Equatable {
    package var version: Int
    package var authAttemptID: String
    package var providerID: String
    /// The token, an object, as JSON text in its shortest form; nil if there is none.
    package var attestationToken: String?

    package init(version: Int = 2, authAttemptID: String, providerID: String, attestationToken: String? = nil) {
        self.version = version
        self.authAttemptID = authAttemptID
        self.providerID = providerID
        self.attestationToken = attestationToken
    }

    init(_ message: JSONValue) throws(MessageError) {
        version = try message.integer("version", in: Int.min...Int.max)
        authAttemptID = try message.text("auth_attempt_id", in: 1...128).string
        providerID = try message.text("provider_id", in: 1...64).string
        let token = try message.required("attestation_token")
        switch token.kind {
        case .null: attestationToken = nil
        case .object:
            var text = ByteQueue()
            text.appendJSON { $0.value(token) }
            attestationToken = text.view.string
        default: throw .invalid(field: "attestation_token")
        }
    }

    func append(to queue: inout ByteQueue) {
        queue.appendJSON { writer in
            writer.begin("auth_request")
            writer.member("version", version)
            writer.member("stage", literal: "proof")
            writer.member("auth_attempt_id", authAttemptID)
            writer.member("provider_id", providerID)
            if let attestationToken {
                writer.key("attestation_token")
                withByteView(attestationToken) { writer.raw($0) }
            } else {
                writer.memberNull("attestation_token")
            }
            writer.endObject()
        }
    }
}
