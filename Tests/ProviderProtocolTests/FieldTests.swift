import JSON
import Primitives
import ProviderProtocol
import Testing

/// One field of one message: what happens when it is missing, null, of another type, or out of range.
struct FieldCase: Sendable, CustomTestStringConvertible {
    enum Presence { case required, requiredButNullable, optional }

    var sample: String
    var path: String
    var presence: Presence
    var bad: [String]
    var good: [String]

    init(_ sample: String, _ path: String, _ presence: Presence, bad: [String], good: [String] = []) {
        self.sample = sample
        self.path = path
        self.presence = presence
        self.bad = bad
        self.good = good
    }

    var testDescription: String { "\(sample.prefix(40)) \(path)" }
}

private let notText = ["1", "true", "{}", "[]"]
private let notInteger = ["\"1\"", "1.5", "1e3", "true", "{}", "[]", "9223372036854775808"]
private let notCount = notInteger + ["-1"]
private let notNumber = ["\"1\"", "-1", "-0.5", "true", "{}", "[]"]
private let notFlag = ["0", "\"true\"", "{}", "[]"]
private let notObject = ["0", "\"x\"", "true", "[]"]
private let notName = notText + ["\"\"", "\"Ready\"", "\"something\""]
private func text(_ length: Int) -> String { "\"" + String(repeating: "x", count: length) + "\"" }

private let requestID = (bad: notText + ["\"\"", text(129)], good: ["\"r\"", text(128)])
private let shortName = (bad: notText + ["\"\"", text(129)], good: [text(128)])
private let slots = (bad: notCount + ["1025"], good: ["0", "1024"])

private func descriptive(_ sample: String) -> [FieldCase] {
    [
        FieldCase(
            sample, "provider_id", .required,
            bad: notText + ["\"\"", text(65), "\"a b\"", "\"a/b\"", "\"é\"", "\"a\\u0000\"", "\"a\\n\""],
            good: [text(64), "\"a-Z_0.9\""]),
        FieldCase(sample, "hostname", .required, bad: notText + [text(254)], good: [text(253), "\"\""]),
        FieldCase(sample, "model_id", .required, bad: notText + ["\"\"", text(257)], good: [text(256)]),
        FieldCase(sample, "model_params_b", .required, bad: notNumber, good: ["0", "7", "0.5", "1e30"]),
        FieldCase(sample, "ram_gb", .required, bad: notNumber, good: ["0", "16"]),
        FieldCase(sample, "max_context_tokens", .required, bad: notCount + ["0"], good: ["1"]),
        FieldCase(sample, "max_concurrency", .required, bad: notCount + ["0", "1025"], good: ["1", "1024"]),
        FieldCase(sample, "throughput_tps_estimate", .required, bad: notNumber, good: ["0"]),
        FieldCase(sample, "binary_version", .required, bad: notText + [text(33)], good: [text(32), "\"\""]),
        FieldCase(sample, "endpoint_url", .optional, bad: notText + [text(2049)], good: ["\"https://a\""]),
    ]
}

private func sealed(_ sample: String) -> [FieldCase] {
    [
        FieldCase(sample, "encrypted", .required, bad: notFlag + ["false"]),
        FieldCase(sample, "enc.alg", .required, bad: notText + ["\"\"", text(33)]),
        FieldCase(sample, "enc.seq", .required, bad: notCount, good: ["0"]),
        FieldCase(sample, "enc.nonce", .required, bad: notText + ["\"\"", text(65)]),
        FieldCase(sample, "enc.aad", .required, bad: notText + ["\"\"", text(4097)]),
        FieldCase(sample, "enc.ciphertext", .required, bad: notText, good: ["\"\""]),
        FieldCase(sample, "enc.tag", .required, bad: notText + ["\"\"", text(65)]),
        FieldCase(sample, "enc.kid", .required, bad: shortName.bad, good: shortName.good),
    ]
}

private func attempt(_ sample: String) -> [FieldCase] {
    [
        FieldCase(sample, "version", .required, bad: notCount + ["0", "2"]),
        FieldCase(sample, "rekey_id", .required, bad: shortName.bad, good: shortName.good),
        FieldCase(sample, "assigned_id", .required, bad: shortName.bad, good: shortName.good),
        FieldCase(sample, "old_kid", .required, bad: shortName.bad, good: shortName.good),
    ]
}

private func requestField(_ samples: String...) -> [FieldCase] {
    samples.map { FieldCase($0, "request_id", .required, bad: requestID.bad, good: requestID.good) }
}

enum FieldCases {
    static let provider: [FieldCase] =
        descriptive(Samples.hello) + descriptive(Samples.authInitial) + sealed(Samples.sealedEnd)
        + sealed(Samples.rekeyCommitted) + attempt(Samples.rekeyResponse) + attempt(Samples.rekeyCommitted)
        + sealed(Samples.sealedChunk)
        + requestField(
            Samples.preflightAccepted, Samples.chunk, Samples.end, Samples.sealedChunk, Samples.sealedEnd)
        + [
            FieldCase(Samples.hello, "version", .required, bad: notInteger, good: ["-1", "0", "2"]),
            FieldCase(Samples.hello, "tier", .required, bad: notInteger, good: ["-1", "0", "2"]),
            FieldCase(
                Samples.hello, "attestation", .requiredButNullable, bad: [],
                good: ["1", "\"x\"", "{}", "[]", "true", "{\"a\":[1]}"]),
            FieldCase(Samples.authInitial, "version", .required, bad: notInteger, good: ["1"]),
            FieldCase(Samples.authInitial, "stage", .required, bad: notText + ["\"\"", "\"final\""]),
            FieldCase(Samples.authInitial, "provider_ecdh_public_key", .required, bad: notText + [text(257)]),
            FieldCase(Samples.authInitial, "tier2_capabilities", .required, bad: notObject),
            FieldCase(Samples.authInitial, "tier2_capabilities.encrypted_leg", .required, bad: notFlag),
            FieldCase(Samples.authInitial, "tier2_capabilities.attestation", .optional, bad: notFlag),
            FieldCase(
                Samples.authInitial, "tier2_capabilities.aead_suites", .required,
                bad: [
                    "1", "\"x\"", "{}", "true", "[1]", "[null]", "[\(text(65))]",
                    "[" + Array(repeating: "\"a\"", count: 17).joined(separator: ",") + "]",
                ],
                good: ["[]", "[\"a\",\"A256GCM\"]"]),
            FieldCase(
                Samples.authInitial, "tier2_capabilities.response_chunk_plaintext_envelope", .optional, bad: notFlag),
            FieldCase(Samples.authInitial, "tier2_capabilities.in_band_aead_rekey_v1", .optional, bad: notFlag),
            FieldCase(Samples.authProof, "version", .required, bad: notInteger),
            FieldCase(Samples.authProof, "stage", .required, bad: notText + ["\"\""]),
            FieldCase(Samples.authProof, "auth_attempt_id", .required, bad: shortName.bad, good: shortName.good),
            FieldCase(Samples.authProof, "provider_id", .required, bad: notText + ["\"\"", text(65)]),
            FieldCase(
                Samples.authProof, "attestation_token", .requiredButNullable, bad: ["1", "\"x\"", "[]", "true"],
                good: ["{}"]),
            FieldCase(Samples.heartbeat, "status", .required, bad: notName, good: ["\"busy\"", "\"unavailable\""]),
            FieldCase(Samples.heartbeat, "model_id", .optional, bad: notText + ["\"\"", text(257)]),
            FieldCase(Samples.heartbeat, "model_params_b", .optional, bad: notNumber),
            FieldCase(Samples.heartbeat, "ram_gb", .optional, bad: notNumber),
            FieldCase(Samples.heartbeat, "max_context_tokens", .optional, bad: notCount + ["0"]),
            FieldCase(Samples.heartbeat, "max_concurrency", .optional, bad: notCount + ["0", "1025"]),
            FieldCase(Samples.heartbeat, "slots_free", .required, bad: slots.bad, good: slots.good),
            FieldCase(Samples.heartbeat, "slots_total", .required, bad: slots.bad, good: slots.good),
            FieldCase(Samples.heartbeat, "throughput_tps_estimate", .optional, bad: notNumber),
            FieldCase(Samples.heartbeat, "requests_served_since_last", .optional, bad: notCount),
            FieldCase(Samples.heartbeat, "avg_latency_ms_since_last", .optional, bad: notNumber),
            FieldCase(Samples.heartbeat, "throughput_tps_since_last", .optional, bad: notNumber),
            FieldCase(Samples.stateUpdate, "state", .required, bad: notName, good: ["\"ready\"", "\"degraded\""]),
            FieldCase(Samples.stateUpdate, "reason", .optional, bad: notText),
            FieldCase(Samples.stateUpdate, "since", .optional, bad: [], good: ["1", "{}"]),
            FieldCase(Samples.stateUpdate, "metrics_snapshot", .optional, bad: notObject, good: ["{}"]),
            FieldCase(Samples.stateUpdate, "metrics_snapshot.slots_free", .optional, bad: slots.bad),
            FieldCase(Samples.stateUpdate, "metrics_snapshot.slots_total", .optional, bad: slots.bad),
            FieldCase(
                Samples.drainStatus, "phase", .required, bad: notName, good: ["\"starting\"", "\"complete\""]),
            FieldCase(Samples.drainStatus, "inflight_requests", .optional, bad: notCount),
            FieldCase(Samples.drainStatus, "estimated_drain_seconds", .optional, bad: notNumber),
            FieldCase(Samples.preflightAccepted, "accepted", .required, bad: notFlag),
            FieldCase(Samples.preflightAccepted, "estimated_wait_ms", .optional, bad: notNumber),
            FieldCase(Samples.preflightRefused, "reason", .optional, bad: notText, good: ["\"\"", "\"new one\""]),
            FieldCase(Samples.chunk, "seq", .required, bad: notCount, good: ["0", "9223372036854775807"]),
            FieldCase(Samples.chunk, "data", .required, bad: notText, good: ["\"\""]),
            FieldCase(Samples.end, "status", .required, bad: notName, good: ["\"complete\"", "\"error_queue_full\""]),
            FieldCase(Samples.end, "chunks_sent", .optional, bad: notCount),
            FieldCase(Samples.end, "usage", .optional, bad: notObject, good: ["{}"]),
            FieldCase(Samples.end, "usage.prompt_tokens", .optional, bad: notCount),
            FieldCase(Samples.end, "usage.completion_tokens", .optional, bad: notCount),
            FieldCase(Samples.end, "usage.total_tokens", .optional, bad: notCount),
            FieldCase(Samples.end, "error", .optional, bad: ["1", "true", "[]"], good: ["\"text\"", "{}"]),
            FieldCase(Samples.end, "error.message", .optional, bad: notText),
            FieldCase(Samples.nak, "in_reply_to", .required, bad: notText),
            FieldCase(Samples.nak, "request_id", .optional, bad: requestID.bad),
            FieldCase(Samples.nak, "error", .required, bad: notObject),
            FieldCase(Samples.nak, "error.code", .required, bad: notText),
            FieldCase(Samples.nak, "error.message", .optional, bad: notText),
            FieldCase(Samples.rekeyResponse, "new_kid", .required, bad: shortName.bad, good: shortName.good),
            FieldCase(
                Samples.rekeyResponse, "provider_ecdh_public_key", .required, bad: notText + ["\"\"", text(257)]),
            FieldCase(Samples.rekeyCommitted, "new_kid", .required, bad: shortName.bad, good: shortName.good),
        ]

    private static let leg = "tier2_session.encrypted_leg"
    static let coordinator: [FieldCase] =
        sealed(Samples.sealedRequest) + sealed(Samples.rekeyCommit) + attempt(Samples.rekeyRequest)
        + attempt(Samples.rekeyCommit)
        + requestField(
            Samples.preflight, Samples.inferenceRequest, Samples.sealedRequest, Samples.cancelRequest)
        + [
            FieldCase(Samples.helloAck, "coordinator_version", .required, bad: notCount),
            FieldCase(Samples.helloAck, "assigned_id", .required, bad: shortName.bad, good: shortName.good),
            FieldCase(Samples.helloAck, "heartbeat_interval_s", .required, bad: notNumber, good: ["0.5"]),
            FieldCase(Samples.helloAck, "tier", .required, bad: notText),
            FieldCase(Samples.helloAck, "recommended_binary_version", .optional, bad: notText),
            FieldCase(Samples.helloAck, "required_binary_version", .optional, bad: notText),
            FieldCase(Samples.authChallenge, "version", .required, bad: notCount + ["1", "3"]),
            FieldCase(Samples.authChallenge, "auth_attempt_id", .required, bad: shortName.bad),
            FieldCase(Samples.authChallenge, "assigned_id", .required, bad: shortName.bad),
            FieldCase(Samples.authChallenge, "attestation_challenge", .required, bad: notText + ["\"\"", text(257)]),
            FieldCase(
                Samples.authChallenge, "attestation_formats", .required,
                bad: ["1", "{}", "\"x\"", "[1]", "[\(text(65))]"],
                good: ["[]"]),
            FieldCase(
                Samples.authChallenge, "coordinator_ecdh_public_key", .required, bad: notText + ["\"\"", text(257)]),
            FieldCase(Samples.authChallenge, "selected_aead_suite", .required, bad: notText + ["\"\"", text(65)]),
            FieldCase(Samples.authChallenge, "selected_aead", .optional, bad: []),
            FieldCase(Samples.authChallenge, "key_id", .required, bad: shortName.bad),
            FieldCase(Samples.authChallenge, "expires_at", .required, bad: notText + ["\"\"", text(65)]),
            FieldCase(Samples.authAccepted, "version", .required, bad: notCount + ["1"]),
            FieldCase(Samples.authAccepted, "status", .required, bad: notText + ["\"\"", "\"perhaps\""]),
            FieldCase(Samples.authAccepted, "assigned_id", .required, bad: shortName.bad),
            FieldCase(Samples.authAccepted, "heartbeat_interval_s", .required, bad: notNumber),
            FieldCase(Samples.authAccepted, "tier", .required, bad: notText),
            FieldCase(Samples.authAccepted, "tier2_session", .required, bad: notObject),
            FieldCase(Samples.authAccepted, leg, .required, bad: notObject),
            FieldCase(Samples.authAccepted, leg + ".enabled", .required, bad: notFlag + ["false"]),
            FieldCase(Samples.authAccepted, leg + ".alg", .required, bad: notText + ["\"\"", "\"A128GCM\""]),
            FieldCase(Samples.authAccepted, leg + ".kid", .required, bad: shortName.bad),
            FieldCase(Samples.authAccepted, leg + ".rekey_after_requests", .required, bad: notCount),
            FieldCase(Samples.authAccepted, leg + ".rekey_after_seconds", .required, bad: notCount),
            FieldCase(Samples.authAccepted, leg + ".response_chunk_plaintext_envelope", .optional, bad: notFlag),
            FieldCase(Samples.authAccepted, leg + ".in_band_aead_rekey_v1", .optional, bad: notFlag),
            FieldCase(Samples.authAccepted, "tier2_session.attestation", .required, bad: notObject),
            FieldCase(Samples.authAccepted, "tier2_session.attestation.status", .required, bad: notText),
            FieldCase(Samples.authAccepted, "tier2_session.attestation.ram_tier_attested", .optional, bad: notFlag),
            FieldCase(Samples.authRejected, "error", .required, bad: notObject),
            FieldCase(Samples.authRejected, "error.code", .required, bad: notText),
            FieldCase(Samples.authRejected, "error.message", .required, bad: notText),
            FieldCase(Samples.preflight, "estimated_tokens", .required, bad: notCount, good: ["0"]),
            FieldCase(Samples.inferenceRequest, "stream", .required, bad: notFlag),
            FieldCase(Samples.inferenceRequest, "body", .required, bad: notText, good: ["\"\""]),
            FieldCase(Samples.sealedRequest, "stream", .required, bad: notFlag),
            FieldCase(Samples.cancelRequest, "reason", .optional, bad: notText, good: ["\"\"", "\"new one\""]),
            FieldCase(
                Samples.rekeyRequest, "reason", .required, bad: notName, good: ["\"age_threshold\""]),
            FieldCase(
                Samples.rekeyRequest, "coordinator_ecdh_public_key", .required, bad: notText + ["\"\"", text(257)]),
            FieldCase(Samples.rekeyRequest, "selected_aead", .required, bad: notText + ["\"\"", text(65)]),
            FieldCase(Samples.rekeyRequest, "expires_at", .required, bad: notText + ["\"\"", text(65)]),
            FieldCase(Samples.rekeyRequest, "response_chunk_plaintext_envelope", .required, bad: notFlag),
            FieldCase(Samples.rekeyCommit, "new_kid", .required, bad: shortName.bad),
        ]
}

@Suite struct FieldTests {
    @Test(arguments: FieldCases.provider) func providerMessage(field: FieldCase) throws {
        try check(field) { (text, parser) throws(MessageError) in _ = try ProviderMessage.parse(text, with: parser) }
    }

    @Test(arguments: FieldCases.coordinator) func coordinatorMessage(field: FieldCase) throws {
        try check(field) { (text, parser) throws(MessageError) in _ = try CoordinatorMessage.parse(text, with: parser) }
    }

    /// Each member of each sample must be in the tables, so that no field goes unchecked.
    @Test func tablesAreComplete() throws {
        for (samples, cases) in [
            (Samples.providerMessages, FieldCases.provider), (Samples.coordinatorMessages, FieldCases.coordinator),
        ] {
            let checked = Set(cases.map { kind($0.sample) + "/" + $0.path })
            // `model_hash` has no meaning yet, and an error's code is not looked at.
            let ignored = ["type", "enc", "tier2_session.model_hash", "tier2_session.model_hash.status"]
            for sample in samples {
                for path in try paths(sample) where !ignored.contains(path) && !path.hasPrefix("attestation_token.") {
                    if path == "error.code" && sample == Samples.end { continue }
                    #expect(checked.contains(kind(sample) + "/" + path), "\(path) of \(sample)")
                }
            }
        }
    }

    private func kind(_ sample: String) -> String {
        let type = sample.dropFirst(9).prefix { $0 != "\"" }
        return type + (sample.contains("\"enc\"") ? "+enc" : "")
    }

    private func paths(_ sample: String) throws -> [String] {
        let parser = JSONParser()
        func walk(_ value: JSONValue, _ prefix: String) -> [String] {
            value.members.flatMap { key, member in
                [prefix + key.string] + walk(member, prefix + key.string + ".")
            }
        }
        return try withPadded(sample) { walk(try parser.parse($0), "") }
    }

    private func check(
        _ field: FieldCase, _ parse: (ByteView, JSONParser) throws(MessageError) -> Void
    ) throws {
        let parser = JSONParser()
        func outcome(_ replacement: String?) throws -> String {
            let changed = try Self.replacing(field.path, in: field.sample, with: replacement)
            return withPadded(changed) { text in
                do throws(MessageError) { try parse(text, parser) } catch { return error.description }
                return "fine"
            }
        }
        let missing = "\(field.path) is missing"
        let invalid = "\(field.path) is invalid"
        #expect(try outcome(nil) == (field.presence == .optional ? "fine" : missing))
        #expect(try outcome("null") == (field.presence == .required ? invalid : "fine"))
        for value in field.bad {
            #expect(try outcome(value) == invalid, "\(value)")
        }
        for value in field.good { #expect(try outcome(value) == "fine", "\(value)") }
    }

    /// `sample` with the member at the dotted path replaced, or removed.
    private static func replacing(_ path: String, in sample: String, with replacement: String?) throws -> String {
        let parser = JSONParser()
        var isFound = false
        func write(_ value: JSONValue, _ prefix: String, _ writer: inout JSONWriter) {
            guard value.isObject else { return writer.value(value) }
            writer.beginObject()
            for (key, member) in value.members {
                let name = prefix + key.string
                if name != path {
                    writer.key(key)
                    write(member, name + ".", &writer)
                    continue
                }
                isFound = true
                if let replacement {
                    writer.key(key)
                    withByteView(replacement) { writer.raw($0) }
                }
            }
            writer.endObject()
        }
        var queue = ByteQueue()
        try withPadded(sample) { text in
            let value = try parser.parse(text)
            queue.appendJSON { write(value, "", &$0) }
        }
        guard isFound else { throw Failure(what: "no \(path) in \(sample)") }
        return queue.view.string
    }
}
