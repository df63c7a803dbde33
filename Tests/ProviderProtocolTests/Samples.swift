/// One text per message and variant, complete and in the order in which the writers write.
enum Samples {
    static let requestID = "req-01234567-89ab-4cde-8f01-23456789abcd"

    static let hello =
        #"{"type":"hello","version":1,"tier":1,"provider_id":"m4-anon","hostname":"host.local","#
        + #""model_id":"mlx-community/Qwen2.5-7B-Instruct-4bit","model_params_b":7.0,"ram_gb":16.0,"#
        + #""max_context_tokens":50000,"max_concurrency":2,"throughput_tps_estimate":19.8,"binary_version":"1.2.0","#
        + #""attestation":null,"endpoint_url":null}"#

    static let authInitial =
        #"{"type":"auth_request","version":2,"stage":"initial","provider_id":"m4-anon","hostname":"host.local","#
        + #""model_id":"model","model_params_b":7.0,"ram_gb":16.0,"max_context_tokens":50000,"max_concurrency":2,"#
        + #""throughput_tps_estimate":19.8,"binary_version":"1.2.0","endpoint_url":"https://m4.example","#
        + #""provider_ecdh_public_key":"AAAA","tier2_capabilities":{"encrypted_leg":true,"attestation":false,"#
        + #""aead_suites":["A256GCM"],"response_chunk_plaintext_envelope":true,"in_band_aead_rekey_v1":true}}"#

    static let authProof =
        #"{"type":"auth_request","version":2,"stage":"proof","auth_attempt_id":"auth-1","provider_id":"m4-anon","#
        + #""attestation_token":null}"#

    static let heartbeat =
        #"{"type":"heartbeat","status":"ready","model_id":"model","model_params_b":7.5,"ram_gb":16.0,"#
        + #""max_context_tokens":50000,"max_concurrency":2,"slots_free":1,"slots_total":2,"#
        + #""throughput_tps_estimate":19.8,"requests_served_since_last":3,"avg_latency_ms_since_last":12.5,"#
        + #""throughput_tps_since_last":20.25}"#

    static let stateUpdate =
        #"{"type":"state_update","state":"busy","reason":"loading","since":"2026-01-31T09:15:00Z","#
        + #""metrics_snapshot":{"slots_free":0,"slots_total":2}}"#

    static let drainStatus =
        #"{"type":"drain_status","phase":"in_progress","inflight_requests":2,"estimated_drain_seconds":1.5}"#

    static let preflightAccepted =
        #"{"type":"preflight_ack","request_id":"\#(requestID)","accepted":true,"estimated_wait_ms":5.0}"#
    static let preflightRefused =
        #"{"type":"preflight_ack","request_id":"recovery-probe-1","accepted":false,"reason":"queue_full"}"#

    static let chunk =
        #"{"type":"inference_response_chunk","request_id":"\#(requestID)","seq":5,"#
        + #""data":"data: {\"choices\":[{\"delta\":{\"content\":\"é😀\"}}]}\n\n"}"#

    static let end =
        #"{"type":"inference_response_end","request_id":"\#(requestID)","status":"error_internal","chunks_sent":6,"#
        + #""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"#
        + #""error":{"code":"error_internal","message":"out of \"luck\""}}"#

    static let nak =
        #"{"type":"nak","in_reply_to":"inference_request","request_id":"\#(requestID)","#
        + #""error":{"code":"unknown_message_type","message":"what?"}}"#

    static let envelope =
        #""encrypted":true,"enc":{"alg":"A256GCM","seq":7,"nonce":"bm9uY2U","aad":"YWFk","ciphertext":"Y2lwaGVy","#
        + #""tag":"dGFn","kid":"a2lk"}}"#
    static let sealedChunk =
        #"{"type":"inference_response_chunk","request_id":"\#(requestID)","# + envelope
    static let sealedEnd =
        #"{"type":"inference_response_end","request_id":"\#(requestID)","# + envelope
    static let sealedRequest =
        #"{"type":"inference_request","request_id":"\#(requestID)","stream":true,"# + envelope

    static let attempt = #""version":1,"rekey_id":"rekey-1","assigned_id":"session-1","old_kid":"k0","#
    static let rekeyRequest =
        #"{"type":"aead_rekey_request","# + attempt
        + #""reason":"request_threshold","coordinator_ecdh_public_key":"BBBB","selected_aead":"A256GCM","#
        + #""expires_at":"2026-01-31T09:15:00Z","response_chunk_plaintext_envelope":true}"#
    static let rekeyResponse =
        #"{"type":"aead_rekey_response","# + attempt + #""new_kid":"k1","provider_ecdh_public_key":"AAAA"}"#
    static let rekeyCommit = #"{"type":"aead_rekey_commit","# + attempt + #""new_kid":"k1","# + envelope
    static let rekeyCommitted = #"{"type":"aead_rekey_committed","# + attempt + #""new_kid":"k1","# + envelope

    static let helloAck =
        #"{"type":"hello_ack","coordinator_version":1,"assigned_id":"session-1","heartbeat_interval_s":30,"#
        + #""tier":"pinned","recommended_binary_version":"1.2.0","required_binary_version":"1.0.0"}"#

    static let authChallenge =
        #"{"type":"auth_challenge","version":2,"auth_attempt_id":"auth-1","assigned_id":"session-1","#
        + #""attestation_challenge":"Y2hhbGxlbmdl","attestation_formats":["apple","none"],"#
        + #""coordinator_ecdh_public_key":"BBBB","selected_aead_suite":"A256GCM","selected_aead":"A256GCM","#
        + #""key_id":"a2lk","expires_at":"2026-01-31T09:15:00Z"}"#

    static let authAccepted =
        #"{"type":"auth_response","version":2,"status":"accepted","assigned_id":"session-1","#
        + #""heartbeat_interval_s":30,"tier":"provisional","tier2_session":{"encrypted_leg":{"enabled":true,"#
        + #""alg":"A256GCM","kid":"a2lk","rekey_after_requests":1000,"rekey_after_seconds":3600,"#
        + #""response_chunk_plaintext_envelope":true,"in_band_aead_rekey_v1":false},"#
        + #""attestation":{"status":"not_required","ram_tier_attested":false},"model_hash":{"status":""}}}"#
    static let authRejected =
        #"{"type":"auth_response","version":2,"status":"rejected","#
        + #""error":{"code":"invalid_auth_request","message":"no"}}"#

    static let preflight = #"{"type":"preflight","request_id":"recovery-probe-1","estimated_tokens":128}"#
    static let inferenceRequest =
        #"{"type":"inference_request","request_id":"\#(requestID)","stream":false,"#
        + #""body":"{\"model\":\"m\",\"messages\":[]}\n"}"#
    static let cancelRequest =
        #"{"type":"cancel_request","request_id":"\#(requestID)","reason":"buyer_disconnected"}"#

    static let providerMessages = [
        hello, authInitial, authProof,
        authProof.replacing("null", with: #"{"format":"x","chain":[1,2.5,true,null,"é"]}"#), heartbeat,
        #"{"type":"heartbeat","status":"draining","slots_free":0,"slots_total":0,"avg_latency_ms_since_last":null,"#
            + #""throughput_tps_since_last":null}"#,
        stateUpdate, #"{"type":"state_update","state":"ready"}"#, drainStatus,
        #"{"type":"drain_status","phase":"starting"}"#, #"{"type":"drain_status","phase":"complete"}"#,
        preflightAccepted, #"{"type":"preflight_ack","request_id":"r","accepted":true}"#, preflightRefused, chunk, end,
        #"{"type":"inference_response_end","request_id":"r","status":"complete"}"#, nak,
        #"{"type":"nak","in_reply_to":"drain","error":{"code":"c"}}"#, sealedChunk, sealedEnd, rekeyResponse,
        rekeyCommitted,
    ]

    static let coordinatorMessages = [
        helloAck,
        #"{"type":"hello_ack","coordinator_version":1,"assigned_id":"s","heartbeat_interval_s":0.5,"tier":"x"}"#,
        authChallenge, authAccepted, authRejected, preflight, inferenceRequest, sealedRequest, cancelRequest,
        #"{"type":"cancel_request","request_id":"r","reason":"timeout"}"#,
        #"{"type":"cancel_request","request_id":"r","reason":"coordinator_shutdown"}"#, #"{"type":"drain"}"#,
        #"{"type":"warm_up"}"#, rekeyRequest, rekeyCommit,
    ]
}
