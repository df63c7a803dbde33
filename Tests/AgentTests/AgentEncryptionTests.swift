import Environment
import Primitives
import ProviderProtocol
import TestKit
import Testing

@testable import Agent

@Suite("An agent that would seal") struct AgentEncryptionTests {
    @Test func goesBackToVersionOneWhereTheCoordinatorKnowsNoOther() throws {
        let world = try AgentWorld { $0.encryption = .automatic }
        world.connect()
        #expect(world.coordinator.heard.map(\.type) == ["auth_request", "hello"])
        #expect(world.environment.loggedEvents("encryption_not_offered").count == 1)
        // At once: a coordinator that is well is not waited for.
        #expect(world.dialer.dialedAt.count == 2)
        world.coordinator.infer("req-1")
        world.run(.milliseconds(5))
        world.engine.produce(0, "data: x\n\n")
        world.engine.finish(0)
        world.run(.milliseconds(5))
        #expect(world.coordinator.chunks("req-1") == ["data: x\n\n"])
        // The next session asks again: the coordinator may have learnt it meanwhile.
        world.run(.seconds(40))
        world.coordinator.forget()
        world.coordinator.far?.reset()
        world.run(.seconds(3))
        #expect(world.coordinator.heard.map(\.type) == ["auth_request", "hello"])
        #expect(world.agent.isConnected)
    }

    @Test func insistsWhereItWasToldTo() throws {
        let world = try AgentWorld { $0.encryption = .required }
        world.agent.start()
        world.run(.seconds(60))
        #expect(!world.agent.isConnected)
        #expect(world.coordinator.heard("hello").isEmpty)
        // With the usual waits in between.
        #expect((4...20).contains(world.coordinator.heard("auth_request").count))
    }

    @Test func saysWhatItCan() throws {
        let world = try AgentWorld { $0.encryption = .required }
        world.agent.start()
        world.run(.milliseconds(20))
        let request = try #require(world.coordinator.heard("auth_request").first)
        #expect(request("version") == "2")
        #expect(request("stage") == "initial")
        #expect(request("provider_id") == "m4-anon")
        #expect(request("provider_ecdh_public_key")?.utf8.count == 43)
        #expect(request("tier2_capabilities.encrypted_leg") == "true")
        #expect(request("tier2_capabilities.attestation") == "false")
        #expect(request("tier2_capabilities.response_chunk_plaintext_envelope") == "true")
        #expect(request("tier2_capabilities.in_band_aead_rekey_v1") == "true")
    }

    /// Sealed messages in a session in the clear get an answer, not a crash.
    @Test func sealedMessagesWithoutALegAreRefused() throws {
        let world = try AgentWorld()
        world.connect()
        let enc =
            #"{"alg":"A256GCM","seq":0,"nonce":"AAAA","aad":"AAAA","ciphertext":"AAAA","tag":"AAAA","kid":"AAAA"}"#
        world.coordinator.say(
            #"{"type":"inference_request","request_id":"req-1","stream":true,"encrypted":true,"enc":\#(enc)}"#)
        world.coordinator.say(
            #"{"type":"aead_rekey_commit","version":1,"rekey_id":"r","assigned_id":"a","old_kid":"o","new_kid":"n","encrypted":true,"enc":\#(enc)}"#
        )
        world.coordinator.say(
            #"{"type":"auth_response","version":2,"status":"rejected","error":{"code":"c","message":"m"}}"#)
        world.run(.milliseconds(5))
        #expect(
            world.coordinator.heard("nak").map { $0("in_reply_to") }
                == ["inference_request", "aead_rekey_commit", "auth_response"])
        #expect(world.agent.isConnected)
    }
}
