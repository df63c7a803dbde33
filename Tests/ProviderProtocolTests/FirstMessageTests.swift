import JSON
import Primitives
import ProviderProtocol
import Testing
import WebSocketCodec

@Suite struct FirstMessageTests {
    private func refusal(_ text: String) -> SessionRefusal? {
        let parser = JSONParser()
        return withPadded(text) { view in
            do throws(SessionRefusal) { _ = try FirstMessage.parse(view, with: parser) } catch { return error }
            return nil
        }
    }

    @Test func acceptsBothHandshakes() throws {
        let parser = JSONParser()
        for sample in [Samples.hello, Samples.authInitial] {
            let message = try withPadded(sample) { try FirstMessage.parse($0, with: parser) }
            #expect(message.description.providerID == "m4-anon")
            if case .hello = message { #expect(sample == Samples.hello) }
        }
    }

    @Test(arguments: [
        ("{", SessionRefusal.unreadable), ("\u{0}", .unreadable), ("[]", .unrecognizedAuthMessage),
        ("{}", .unrecognizedAuthMessage), ("{\"type\":1}", .unrecognizedAuthMessage),
        (Samples.heartbeat, .unrecognizedAuthMessage), ("{\"type\":\"hello2\"}", .unrecognizedAuthMessage),
        ("{\"type\":\"hello\"}", .invalidHello(field: "version")),
        (Samples.hello.replacing("\"ram_gb\":16.0", with: "\"ram_gb\":-1"), .invalidHello(field: "ram_gb")),
        (Samples.hello.replacing("\"version\":1", with: "\"version\":2"), .versionUnsupported(version: 2)),
        (Samples.hello.replacing("\"tier\":1", with: "\"tier\":-3"), .tierUnsupported(tier: -3)),
        // Shape comes before version, version before tier.
        (
            Samples.hello.replacing("\"tier\":1", with: "\"tier\":2").replacing("\"version\":1", with: "\"version\":3"),
            .versionUnsupported(version: 3)
        ),
        (
            Samples.hello.replacing("\"version\":1", with: "\"version\":2").replacing("m4-anon", with: "m4 anon"),
            .invalidHello(field: "provider_id")
        ),
        (Samples.authProof, .invalidAuthRequest(field: "stage")),
        (Samples.authInitial.replacing("\"version\":2", with: "\"version\":1"), .versionUnsupported(version: 1)),
        (Samples.authInitial.replacing("A256GCM", with: "A128GCM"), .noCommonAEADSuite),
        (Samples.authInitial.replacing("\"encrypted_leg\":true", with: "\"encrypted_leg\":false"), .noCommonAEADSuite),
        (
            Samples.authInitial.replacing("\"encrypted_leg\":true", with: "\"encrypted_leg\":1"),
            .invalidAuthRequest(field: "tier2_capabilities.encrypted_leg")
        ),
    ]) func refuses(text: String, expected: SessionRefusal) {
        #expect(refusal(text) == expected)
    }

    @Test(arguments: [
        (SessionRefusal.unreadable, 1002, "invalid JSON"),
        (.unrecognizedAuthMessage, 4000, "unrecognized auth message"),
        (.invalidHello(field: "ram_gb"), 4001, "invalid_hello: ram_gb"),
        (.invalidAuthRequest(field: "stage"), 4001, "invalid_auth_request: stage"),
        (.noCommonAEADSuite, 4001, "no_common_aead_suite"),
        (.tierUnsupported(tier: 2), 4003, "tier_unsupported: tier 2 not supported"),
        (.versionUnsupported(version: 3), 4004, "version_unsupported: protocol version 3"),
        (
            .binaryVersionUnsupported(version: "1.0", required: "1.2"), 4004,
            "version_unsupported: binary_version 1.0 below required 1.2"
        ),
        (.invalidToken, 4005, "invalid_token"),
        (.provisionalPoolFull(maximum: 100), 4007, "provisional_pool_full: max 100 provisional providers reached"),
        (.provisionalRateLimited(maximumPerHour: 10), 4008, "provisional_rate_limited: max 10 admissions per hour"),
        (.banned(providerID: "p"), 4009, "banned: provider p has been rejected by operator"),
        (.attestationFailed, 4012, "tier2_attestation_failed"),
        (.keyExchangeFailed, 4013, "tier2_key_exchange_failed"),
        (.encryptedLegRequired, 4013, "tier2_encrypted_leg_required"), (.poolFull, 4429, "pool_full"),
        (.replaced, 1008, "replaced by a newer session"),
    ]) func closesWith(refusal: SessionRefusal, code: UInt16, reason: String) {
        #expect(refusal.closeCode.rawValue == code && refusal.closeCode.isAllowedOnWire)
        #expect(refusal.reason == reason && reason.utf8.count <= 123)
    }
}
