// Providers: WebSocket clients that connect, greet in version 1 or 2 of the protocol, and beat.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "provider.h"

enum { SOURCE_CONNECTIONS = 4000, CONNECTING_AT_ONCE = 64, DIALS_PER_TURN = 8 };

static struct provider *providers, **waiting;
static int total, live, connecting, waiting_head, waiting_count, storm_cursor = -1, storm_back;

static const struct connection_kind kind;

// ---- connecting ----------------------------------------------------------------------------------------------------

static void queue_dial(struct provider *provider) {
    provider->state = QUEUED;
    waiting[(waiting_head + waiting_count++) % total] = provider;
}

void providers_connect_some(void) {
    for (int n = 0; storm_cursor >= 0 && storm_cursor < options.storm && n < DIALS_PER_TURN; n++) {
        struct provider *provider = &providers[options.providers + storm_cursor++];
        provider->storming = true;
        connection_close(&provider->connection, NULL);
    }
    int at_once = storm_cursor >= 0 ? total : CONNECTING_AT_ONCE;
    for (int n = 0; waiting_count > 0 && n < DIALS_PER_TURN && connecting < at_once; n++) {
        struct provider *provider = waiting[waiting_head];
        waiting_head = (waiting_head + 1) % total;
        waiting_count--;
        connecting++;
        provider->state = UPGRADING;
        // Many source addresses: one has too few ports for 20,000 connections to one destination.
        uint32_t source = INADDR_LOOPBACK + 1 + (uint32_t)(provider->index / SOURCE_CONNECTIONS);
        if (!connection_dial(&provider->connection, &kind, options.provider_port, source, options.tls_provider))
            kind.closed(&provider->connection, "connect failed");
    }
}

static void timer_fired(struct timer *timer, uint64_t now) {
    struct provider *provider = (struct provider *)((char *)timer - offsetof(struct provider, timer));
    if (provider->state == DOWN) {
        queue_dial(provider);
        return;
    }
    char text[512];
    int count = snprintf(text, sizeof text,
                         "{\"type\":\"heartbeat\",\"status\":\"ready\",\"model_id\":\"%s\",\"model_params_b\":7.0,"
                         "\"ram_gb\":16,\"max_context_tokens\":1000000,\"max_concurrency\":%d,\"slots_free\":%d,"
                         "\"slots_total\":%d,\"throughput_tps_estimate\":19.8,\"requests_served_since_last\":0,"
                         "\"avg_latency_ms_since_last\":null,\"throughput_tps_since_last\":null}",
                         provider->idle ? IDLE_MODEL : MODEL, options.slots, options.slots - provider->active,
                         options.slots);
    frame_message(&provider->connection.out, text, (size_t)count);
    connection_touch(&provider->connection);
    report.heartbeats += measuring;
    timer_set(timer, now + (uint64_t)(options.heartbeat_s * 1e9));
}

static void opened(struct connection *connection) {
    bytes_printf(&connection->out,
                 "GET /ws/provider HTTP/1.1\r\nHost: localhost:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                 options.provider_port, options.token ? "Authorization: Bearer " : "",
                 options.token ? options.token : "", options.token ? "\r\n" : "");
    connection_touch(connection);
}

static void closed(struct connection *connection, const char *why) {
    struct provider *provider = (struct provider *)connection;
    enum provider_state before = provider->state;
    if (before == LIVE) live--;
    else connecting--;
    producer_remove(provider);
    for (int i = 0; provider->slots && i < options.slots; i++) {
        timer_cancel(&provider->slots[i].timer);
        provider->slots[i].active = false;
    }
    provider->active = 0;
    provider->in.head = provider->in.tail = 0;
    leg_free(provider->leg);
    provider->leg = NULL;
    timer_cancel(&provider->timer);
    if (why == NULL) {  // the storm: at once
        queue_dial(provider);
        return;
    }
    provider->state = DOWN;
    if (before == LIVE) failure("provider %d: connection lost: %s", provider->index, why);
    else if (++report.refusals == 1) fprintf(stderr, "loadgen: provider %d was refused: %s\n", provider->index, why);
    if (provider->storming) report.storm.refused++;
    timer_set(&provider->timer, loop_now + 20000000u + (uint64_t)(provider->index * 7919 % 1000) * 80000u);
}

// ---- answering -----------------------------------------------------------------------------------------------------

static bool greet(struct provider *provider) {
    const char *text = (const char *)provider->in.data + provider->in.head;
    size_t held = bytes_count(&provider->in);
    const char *stop = memmem(text, held, "\r\n\r\n", 4);
    if (!stop) return held < 16384;
    size_t head = (size_t)(stop + 4 - text);
    if (head < 12 || memcmp(text, "HTTP/1.1 101", 12) != 0) {
        if (report.refusals == 0) fprintf(stderr, "loadgen: upgrade refused: %.*s\n", head < 40 ? (int)head : 40, text);
        return false;
    }
    if (!memmem(text, head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 28)) {
        failure("provider: a wrong Sec-WebSocket-Accept");
        return false;
    }
    bytes_consume(&provider->in, head);
    char id[32];
    snprintf(id, sizeof id, "bench-%05d", provider->index);
    struct bytes hello = {0};
    bytes_printf(&hello, options.encrypted_leg ? "{\"type\":\"auth_request\",\"version\":2,\"stage\":\"initial\","
                                               : "{\"type\":\"hello\",\"version\":1,\"tier\":1,\"attestation\":null,");
    bytes_printf(&hello,
                 "\"provider_id\":\"%s\",\"hostname\":\"bench\",\"model_id\":\"%s\",\"model_params_b\":7.0,"
                 "\"ram_gb\":16,\"max_context_tokens\":1000000,\"max_concurrency\":%d,\"throughput_tps_estimate\":19.8,"
                 "\"binary_version\":\"1.2.0\",\"endpoint_url\":null",
                 id, provider->idle ? IDLE_MODEL : MODEL, options.slots);
    if (options.encrypted_leg) {
        provider->leg = leg_begin(id);
        bytes_printf(&hello, ",\"provider_ecdh_public_key\":\"");
        leg_write_public_key(provider->leg, &hello);
        bytes_printf(&hello, "\",\"tier2_capabilities\":{\"encrypted_leg\":true,\"attestation\":false,"
                             "\"aead_suites\":[\"A256GCM\"],\"response_chunk_plaintext_envelope\":true,"
                             "\"in_band_aead_rekey_v1\":false}");
    }
    bytes_printf(&hello, "}");
    frame_message(&provider->connection.out, hello.data, hello.tail);
    bytes_free(&hello);
    connection_touch(&provider->connection);
    provider->state = GREETING;
    return true;
}

static bool open_request(struct provider *provider, struct message *message) {
    static struct bytes plaintext;
    struct message opened;
    if (!leg_open(provider->leg, message, &plaintext)) {
        failure("provider: a sealed request does not open");
        return false;
    }
    if (!message_scan(plaintext.data, plaintext.tail, &opened) ||
        !text_is(opened.type, "inference_request_plaintext")) {
        failure("provider: a sealed request holds something else");
        return false;
    }
    message->has_body = opened.has_body;
    message->body_matches = opened.body_matches;
    message->number = opened.number;
    message->count = opened.count;
    return true;
}

static bool challenge_answer(struct provider *provider, struct text challenge) {
    struct text attempt, assigned, key, key_id;
    if (!object_member(challenge, "auth_attempt_id", &attempt) || !object_member(challenge, "assigned_id", &assigned) ||
        !object_member(challenge, "coordinator_ecdh_public_key", &key) ||
        !object_member(challenge, "key_id", &key_id) ||
        !leg_agree(provider->leg, assigned, key, key_id)) {
        failure("provider: a challenge that cannot be answered: %.*s", (int)challenge.count,
                (const char *)challenge.data);
        return false;
    }
    struct bytes proof = {0};
    bytes_printf(&proof, "{\"type\":\"auth_request\",\"version\":2,\"stage\":\"proof\",\"auth_attempt_id\":\"%.*s\","
                         "\"provider_id\":\"%s\",\"attestation_token\":null}",
                 (int)attempt.count, (const char *)attempt.data, provider->leg->provider_id);
    frame_message(&provider->connection.out, proof.data, proof.tail);
    bytes_free(&proof);
    connection_touch(&provider->connection);
    return true;
}

static bool message_received(struct provider *provider, const uint8_t *data, size_t count, uint64_t now) {
    struct message message;
    if (!message_scan(data, count, &message)) {
        failure("provider: not a message: %.*s", count < 200 ? (int)count : 200, (const char *)data);
        return false;
    }
    if (text_is(message.type, "inference_request"))
        return (!provider->leg || open_request(provider, &message)) && answer(provider, &message);
    if (text_is(message.type, "auth_challenge") && provider->leg && provider->state == GREETING)
        return challenge_answer(provider, (struct text){data, count});
    if (text_is(message.type, "hello_ack") || text_is(message.type, "auth_response")) {
        struct text status;
        if (provider->state != GREETING) return false;
        if (provider->leg &&
            !(object_member((struct text){data, count}, "status", &status) && text_is(status, "accepted"))) {
            failure("provider: not accepted: %.*s", (int)count, (const char *)data);
            return false;
        }
        provider->state = LIVE;
        connecting--;
        live++;
        if (provider->storming && ++storm_back == options.storm) report.storm.ended = now;
        provider->storming = false;
        // Spread, as thousands of machines are: not one burst every half minute.
        uint64_t shuffled = (uint64_t)provider->index * 7919 % (uint64_t)total;
        timer_set(&provider->timer, now + (uint64_t)(options.heartbeat_s * 1e9 * (double)(shuffled + 1) / total));
    } else if (text_is(message.type, "preflight")) {
        report.preflights++;
        char text[256];
        int length = snprintf(text, sizeof text,
                              "{\"type\":\"preflight_ack\",\"request_id\":\"%.*s\",\"accepted\":true,"
                              "\"estimated_wait_ms\":0}",
                              (int)message.request_id.count, (const char *)message.request_id.data);
        frame_message(&provider->connection.out, text, (size_t)length);
        connection_touch(&provider->connection);
    } else if (text_is(message.type, "cancel_request")) {
        cancel(provider, &message);
    } else {
        failure("provider: an unexpected message: %.*s", count < 200 ? (int)count : 200, (const char *)data);
    }
    return true;
}

static enum receive_result received(struct connection *connection, const uint8_t *data, size_t count, uint64_t now) {
    struct provider *provider = (struct provider *)connection;
    bool held = bytes_count(&provider->in) > 0 || provider->state == UPGRADING;
    if (held) {
        bytes_append(&provider->in, data, count);
        if (provider->state == UPGRADING && !greet(provider)) return RECEIVE_BROKEN;
        if (provider->state == UPGRADING) return RECEIVE_OK;
        data = provider->in.data + provider->in.head;
        count = bytes_count(&provider->in);
    }
    size_t at = 0;
    while (count - at >= 2) {
        const uint8_t *frame = data + at;
        uint64_t length = frame[1] & 0x7f;
        size_t header = length == 126 ? 4 : length == 127 ? 10 : 2;
        if (!(frame[0] & 0x80) || (frame[0] & 0x70) || (frame[1] & 0x80)) {
            failure("provider: a bad frame: %02x %02x", frame[0], frame[1]);
            return RECEIVE_BROKEN;
        }
        if (count - at < header) break;
        if (header > 2)
            for (size_t i = (length = 0, 2); i < header; i++) length = length << 8 | frame[i];
        if (length > 1u << 24) {
            failure("provider: a frame of %llu bytes", (unsigned long long)length);
            return RECEIVE_BROKEN;
        }
        if (count - at < header + length) break;
        const uint8_t *payload = frame + header;
        int opcode = frame[0] & 15;
        if (opcode == 1) {
            if (!message_received(provider, payload, (size_t)length, now)) return RECEIVE_BROKEN;
        } else if (opcode == 9 && length < 126) {
            frame_control(&connection->out, 10, payload, (size_t)length);
            connection_touch(connection);
        } else if (opcode == 8) {
            int code = length >= 2 ? payload[0] << 8 | payload[1] : 0, rest = length > 2 ? (int)length - 2 : 0;
            const char *reason = (const char *)payload + 2;
            // Refused for a reason that another attempt does not change, unlike a full waiting room.
            if (provider->state == GREETING && code >= 4000 && code < 4429)
                fatal("provider %d is refused: Close %d %.*s", provider->index, code, rest, reason);
            failure("provider %d: Close %d %.*s", provider->index, code, rest, reason);
            return RECEIVE_BROKEN;
        } else if (opcode != 10) {
            failure("provider: opcode %d", opcode);
            return RECEIVE_BROKEN;
        }
        at += header + (size_t)length;
    }
    if (held) bytes_consume(&provider->in, at);
    else if (at < count) bytes_append(&provider->in, data + at, count - at);
    if (bytes_count(&provider->in) == 0 && provider->in.capacity > 4096) bytes_free(&provider->in);
    return RECEIVE_OK;
}

static const struct connection_kind kind = {opened, received, closed};

// ---- the pool ------------------------------------------------------------------------------------------------------

void providers_init(void) {
    total = options.providers + options.idle_providers;
    providers = calloc((size_t)total, sizeof *providers);
    waiting = calloc((size_t)total, sizeof(struct provider *));
    if (!providers || !waiting) fatal("out of memory");
    for (int i = 0; i < total; i++) {
        providers[i].index = i;
        providers[i].idle = i >= options.providers;
        providers[i].connection.fd = -1;
        providers[i].timer.fire = timer_fired;
        queue_dial(&providers[i]);
    }
}

bool providers_ready(void) { return live == total; }

void providers_storm(void) {
    report.storm.began = monotonic_now();
    storm_cursor = 0;
}

bool providers_busy(void) {
    if ((waiting_count > 0 && (storm_cursor >= 0 || connecting < CONNECTING_AT_ONCE)) ||
        (storm_cursor >= 0 && storm_cursor < options.storm))
        return true;
    return producers_busy();
}
