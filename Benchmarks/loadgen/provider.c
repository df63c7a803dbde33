// Providers: WebSocket clients of protocol version 1 that answer each request with the events that its buyer expects.
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

enum provider_state { DOWN, QUEUED, UPGRADING, GREETING, LIVE };
enum { SOURCE_CONNECTIONS = 4000, CONNECTING_AT_ONCE = 64, DIALS_PER_TURN = 8, OUTPUT_BYTES = 256 * 1024 };

struct slot {
    struct timer timer;
    struct provider *provider;
    bool active;
    uint8_t id[MAX_ID_BYTES];
    size_t id_count;
    uint64_t number;
    int count, sequence;
    struct frame frames[FRAME_CLASSES];  // own bytes, offsets as in the templates
};

struct provider {
    struct connection connection;
    struct timer timer;  // the next heartbeat, or the next attempt to connect
    enum provider_state state;
    int index;
    bool idle, storming;
    struct bytes in;
    struct slot *slots;
    int active, place;  // streams under way; place in the list of producers, plus one
};

static struct provider *providers, **waiting, **producers;
static int total, live, connecting, waiting_head, waiting_count, producer_count, storm_cursor = -1, storm_back;
static struct frame templates[FRAME_CLASSES], answer_frame;
static size_t template_id_count;
static uint64_t interval;
bool draining;

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

static void producer_remove(struct provider *provider) {
    if (provider->place == 0) return;
    struct provider *last = producers[--producer_count];
    producers[provider->place - 1] = last;
    last->place = provider->place;
    provider->place = 0;
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
    char hello[512];
    int count = snprintf(hello, sizeof hello,
                         "{\"type\":\"hello\",\"version\":1,\"tier\":1,\"provider_id\":\"bench-%05d\",\"hostname\":\"bench\","
                         "\"model_id\":\"%s\",\"model_params_b\":7.0,\"ram_gb\":16,\"max_context_tokens\":1000000,"
                         "\"max_concurrency\":%d,\"throughput_tps_estimate\":19.8,\"binary_version\":\"1.2.0\","
                         "\"attestation\":null,\"endpoint_url\":null}",
                         provider->index, provider->idle ? IDLE_MODEL : MODEL, options.slots);
    frame_message(&provider->connection.out, hello, (size_t)count);
    connection_touch(&provider->connection);
    provider->state = GREETING;
    return true;
}

// ---- answering -----------------------------------------------------------------------------------------------------

// Positions count from the frame's first byte; the mask counts from the payload's.
static inline uint8_t mask_at(const struct frame *frame, size_t position) {
    return mask[(position - frame->header) & 3];
}

static void put_masked(const struct frame *frame, uint8_t *bytes, size_t position, const uint8_t *plain, size_t count) {
    for (size_t i = 0; i < count; i++) bytes[position + i] = plain[i] ^ mask_at(frame, position + i);
}

static bool templates_ready(size_t id_count) {
    if (template_id_count == id_count) return true;
    if (template_id_count != 0 || id_count == 0 || id_count > MAX_ID_BYTES) {
        failure("provider: a request_id of %zu bytes", id_count);
        return false;
    }
    template_id_count = id_count;
    for (int i = 0; i < FRAME_CLASSES; i++) frame_build(&templates[i], &event_piece, id_count, i + 1);
    frame_build(&answer_frame, &answer_piece, id_count, 1);
    return true;
}

static void emit_end(struct provider *provider, const uint8_t *id, size_t id_count, const char *status, int chunks) {
    char text[512];
    int count = snprintf(text, sizeof text,
                         "{\"type\":\"inference_response_end\",\"request_id\":\"%.*s\",\"status\":\"%s\",\"chunks_sent\":%d,"
                         "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":16,\"total_tokens\":28}}",
                         (int)id_count, (const char *)id, status, chunks);
    frame_message(&provider->connection.out, text, (size_t)count);
}

static void emit_stream_end(struct slot *slot) {
    char text[256];
    int count = snprintf(text, sizeof text,
                         "{\"type\":\"inference_response_chunk\",\"request_id\":\"%.*s\",\"seq\":%d,"
                         "\"data\":\"data: [DONE]\\n\\n\"}",
                         (int)slot->id_count, (const char *)slot->id, slot->count);
    frame_message(&slot->provider->connection.out, text, (size_t)count);
    emit_end(slot->provider, slot->id, slot->id_count, "complete", slot->count + 1);
    slot->active = false;
    if (--slot->provider->active == 0) producer_remove(slot->provider);
}

static void emit(struct slot *slot, const uint8_t *stamp) {
    int digits = slot->sequence < 10 ? 1 : slot->sequence < 100 ? 2 : slot->sequence < 1000 ? 3 : 4;
    const struct frame *frame = &slot->frames[digits - 1];
    uint8_t *at = bytes_reserve(&slot->provider->connection.out, frame->count);
    memcpy(at, frame->data, frame->count);
    uint8_t text[SEQUENCE_DIGITS];
    put_decimal(text, (uint64_t)slot->sequence, SEQUENCE_DIGITS);
    put_masked(frame, at, frame->seq_at, text + SEQUENCE_DIGITS - digits, (size_t)digits);
    put_masked(frame, at, frame->sequence_at, text, SEQUENCE_DIGITS);
    put_masked(frame, at, frame->stamp_at, stamp, STAMP_DIGITS);
    slot->provider->connection.out.tail += frame->count;
    if (++slot->sequence == slot->count) emit_stream_end(slot);
}

static void pace_fired(struct timer *timer, uint64_t now) {
    struct slot *slot = (struct slot *)((char *)timer - offsetof(struct slot, timer));
    uint8_t stamp[STAMP_DIGITS];
    put_stamp(stamp, now);
    if (measuring) histogram_add(&report.lag, now - timer->due);
    do emit(slot, stamp);
    while (draining && slot->active);
    if (slot->active) timer_set(timer, timer->due + interval);
    // At once: tokens of different machines do not share a packet.
    connection_flush(&slot->provider->connection);
}

static void answer_at_once(struct provider *provider, const struct message *message) {
    const struct frame *frame = &answer_frame;
    struct bytes *out = &provider->connection.out;
    uint8_t *at = bytes_reserve(out, frame->count), text[STAMP_DIGITS];
    memcpy(at, frame->data, frame->count);
    put_masked(frame, at, frame->id_at, message->request_id.data, message->request_id.count);
    put_decimal(text, message->number, NUMBER_DIGITS);
    put_masked(frame, at, frame->number_at, text, NUMBER_DIGITS);
    put_stamp(text, monotonic_now());
    put_masked(frame, at, frame->stamp_at, text, STAMP_DIGITS);
    out->tail += frame->count;
    emit_end(provider, message->request_id.data, message->request_id.count, "complete", 1);
    connection_touch(&provider->connection);
}

static bool answer(struct provider *provider, const struct message *message) {
    if (!message->has_body || !message->body_matches || message->stream != options.stream || message->count == 0 ||
        message->count > 9999) {
        failure("provider: the request's body is not what was sent");
        return false;
    }
    if (!templates_ready(message->request_id.count)) return false;
    if (!message->stream) {
        answer_at_once(provider, message);
        return true;
    }
    if (!provider->slots) {
        provider->slots = calloc((size_t)options.slots, sizeof *provider->slots);
        if (!provider->slots) fatal("out of memory");
    }
    struct slot *slot = provider->slots;
    while (slot < provider->slots + options.slots && slot->active) slot++;
    if (slot == provider->slots + options.slots) {
        failure("provider %d: more requests than slots", provider->index);
        return false;
    }
    uint8_t number[NUMBER_DIGITS];
    put_decimal(number, message->number, NUMBER_DIGITS);
    slot->provider = provider;
    slot->timer.fire = pace_fired;
    slot->active = true;
    slot->sequence = 0;
    slot->count = (int)message->count;
    slot->number = message->number;
    slot->id_count = message->request_id.count;
    memcpy(slot->id, message->request_id.data, slot->id_count);
    for (int i = 0; i < FRAME_CLASSES && (i == 0 || (i == 1 && slot->count > 10) || (i == 2 && slot->count > 100) ||
                                          (i == 3 && slot->count > 1000)); i++) {
        struct frame *frame = &slot->frames[i];
        uint8_t *bytes = frame->data ? frame->data : malloc(templates[i].count);
        if (!bytes) fatal("out of memory");
        if (!frame->data) memcpy(bytes, templates[i].data, templates[i].count);
        *frame = templates[i];
        frame->data = bytes;
        put_masked(frame, bytes, frame->id_at, slot->id, slot->id_count);
        put_masked(frame, bytes, frame->number_at, number, NUMBER_DIGITS);
    }
    if (provider->active++ == 0 && options.rate == 0) {
        producers[producer_count++] = provider;
        provider->place = producer_count;
    }
    if (options.rate > 0) timer_set(&slot->timer, loop_now + interval);
    return true;
}

static void cancel(struct provider *provider, const struct message *message) {
    report.cancels++;
    for (struct slot *slot = provider->slots; slot && slot < provider->slots + options.slots; slot++) {
        if (!slot->active || slot->id_count != message->request_id.count ||
            memcmp(slot->id, message->request_id.data, slot->id_count) != 0)
            continue;
        timer_cancel(&slot->timer);
        slot->active = false;
        if (--provider->active == 0) producer_remove(provider);
        emit_end(provider, slot->id, slot->id_count, "cancelled", slot->sequence);
        connection_touch(&provider->connection);
    }
}

static bool message_received(struct provider *provider, const uint8_t *data, size_t count, uint64_t now) {
    struct message message;
    if (!message_scan(data, count, &message)) {
        failure("provider: not a message: %.*s", count < 200 ? (int)count : 200, (const char *)data);
        return false;
    }
    if (text_is(message.type, "inference_request")) return answer(provider, &message);
    if (text_is(message.type, "hello_ack")) {
        if (provider->state != GREETING) return false;
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
                              "{\"type\":\"preflight_ack\",\"request_id\":\"%.*s\",\"accepted\":true,\"estimated_wait_ms\":0}",
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
            fprintf(stderr, "loadgen: provider %d: Close %d %.*s\n", provider->index,
                    length >= 2 ? payload[0] << 8 | payload[1] : 0, length > 2 ? (int)length - 2 : 0,
                    (const char *)payload + 2);
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
    interval = options.rate > 0 ? (uint64_t)(1e9 / options.rate) : 0;
    providers = calloc((size_t)total, sizeof *providers);
    waiting = calloc((size_t)total, sizeof(struct provider *));
    producers = calloc((size_t)total, sizeof(struct provider *));
    if (!providers || !waiting || !producers) fatal("out of memory");
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

void providers_produce(void) {
    uint8_t stamp[STAMP_DIGITS];
    for (int i = 0; i < producer_count;) {
        struct provider *provider = producers[i];
        struct bytes *out = &provider->connection.out;
        if (!provider->connection.blocked && bytes_count(out) < OUTPUT_BYTES / 2) {
            put_stamp(stamp, monotonic_now());
            // One chunk of each stream in turn, as machines that decode in batches send them.
            for (int round = 0; provider->active > 0 && (options.burst == 0 || round < options.burst) &&
                                bytes_count(out) < OUTPUT_BYTES; round++)
                for (int n = 0; n < options.slots; n++)
                    if (provider->slots[n].active) emit(&provider->slots[n], stamp);
            connection_touch(&provider->connection);
        }
        if (i < producer_count && producers[i] == provider) i++;
    }
}

bool providers_busy(void) {
    if ((waiting_count > 0 && (storm_cursor >= 0 || connecting < CONNECTING_AT_ONCE)) ||
        (storm_cursor >= 0 && storm_cursor < options.storm))
        return true;
    for (int i = 0; i < producer_count; i++)
        if (!producers[i]->connection.blocked) return true;
    return false;
}
