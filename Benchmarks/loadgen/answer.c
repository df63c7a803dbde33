// How a provider answers: frames copied from templates, with the digits that differ written anew.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "provider.h"

enum { OUTPUT_BYTES = 256 * 1024 };

bool draining;
static struct provider **producers;  // those with a saturated stream under way
static int producer_count, producer_capacity;
static struct frame templates[FRAME_CLASSES], answer_frame;
static size_t template_id_count;

void producer_remove(struct provider *provider) {
    if (provider->place == 0) return;
    struct provider *last = producers[--producer_count];
    producers[provider->place - 1] = last;
    last->place = provider->place;
    provider->place = 0;
}

// Positions count from the frame's first byte; the mask counts from the payload's.
static inline uint8_t mask_at(const struct frame *frame, size_t position) {
    return frame->mask[(position - frame->header) & 3];
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
    for (int i = 0; i < FRAME_CLASSES; i++) 
        frame_build(&templates[i], &event_piece, id_count, i + 1, options.encrypted_leg);
    frame_build(&answer_frame, &answer_piece, id_count, 1, options.encrypted_leg);
    return true;
}

static void send_sealed(struct provider *provider, const char *type, const uint8_t *id, size_t id_count,
                        const void *plaintext, size_t count) {
    static struct bytes text;
    text.tail = 0;
    leg_seal(provider->leg, &text, type, id, id_count, options.stream, plaintext, count);
    frame_message(&provider->connection.out, text.data, text.tail);
}

static void emit_end(struct provider *provider, const uint8_t *id, size_t id_count, const char *status, int chunks) {
    char text[512];
    int count = snprintf(text, sizeof text,
                         "{\"type\":\"inference_response_end\",\"request_id\":\"%.*s\",\"status\":\"%s\","
                         "\"chunks_sent\":%d,"
                         "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":16,\"total_tokens\":28}}",
                         (int)id_count, (const char *)id, status, chunks);
    if (provider->leg) send_sealed(provider, "inference_response_end", id, id_count, text, (size_t)count);
    else frame_message(&provider->connection.out, text, (size_t)count);
}

static void emit_stream_end(struct slot *slot) {
    char text[256];
    const char *rest = "\"data\":\"data: [DONE]\\n\\n\"}";
    if (slot->provider->leg) {
        int count = snprintf(text, sizeof text, "{\"type\":\"inference_response_chunk_plaintext\",\"seq\":%d,%s",
                             slot->count, rest);
        send_sealed(slot->provider, "inference_response_chunk", slot->id, slot->id_count, text, (size_t)count);
    } else {
        int count = snprintf(text, sizeof text,
                             "{\"type\":\"inference_response_chunk\",\"request_id\":\"%.*s\",\"seq\":%d,%s",
                             (int)slot->id_count, (const char *)slot->id, slot->count, rest);
        frame_message(&slot->provider->connection.out, text, (size_t)count);
    }
    emit_end(slot->provider, slot->id, slot->id_count, "complete", slot->count + 1);
    slot->active = false;
    if (--slot->provider->active == 0) producer_remove(slot->provider);
}

static void emit(struct slot *slot, const uint8_t *stamp) {
    int digits = slot->sequence < 10 ? 1 : slot->sequence < 100 ? 2 : slot->sequence < 1000 ? 3 : 4;
    const struct frame *frame = &slot->frames[digits - 1];
    // What will be sealed is prepared in place: the next chunk writes the same gaps again.
    bool sealed = slot->provider->leg != NULL;
    uint8_t *at = sealed ? frame->data : bytes_reserve(&slot->provider->connection.out, frame->count);
    if (!sealed) memcpy(at, frame->data, frame->count);
    uint8_t text[SEQUENCE_DIGITS];
    put_decimal(text, (uint64_t)slot->sequence, SEQUENCE_DIGITS);
    put_masked(frame, at, frame->seq_at, text + SEQUENCE_DIGITS - digits, (size_t)digits);
    put_masked(frame, at, frame->sequence_at, text, SEQUENCE_DIGITS);
    put_masked(frame, at, frame->stamp_at, stamp, STAMP_DIGITS);
    if (sealed) send_sealed(slot->provider, "inference_response_chunk", slot->id, slot->id_count, at, frame->count);
    else slot->provider->connection.out.tail += frame->count;
    if (++slot->sequence == slot->count) emit_stream_end(slot);
}

static void pace_fired(struct timer *timer, uint64_t now) {
    struct slot *slot = (struct slot *)((char *)timer - offsetof(struct slot, timer));
    uint8_t stamp[STAMP_DIGITS];
    put_stamp(stamp, now);
    if (measuring) histogram_add(&report.lag, now - timer->due);
    do emit(slot, stamp);
    while (draining && slot->active);
    if (slot->active) timer_set(timer, timer->due + (uint64_t)(1e9 / options.rate));
    // At once: tokens of different machines do not share a packet.
    connection_flush(&slot->provider->connection);
}

static void answer_at_once(struct provider *provider, const struct message *message) {
    const struct frame *frame = &answer_frame;
    struct bytes *out = &provider->connection.out;
    uint8_t *at = provider->leg ? frame->data : bytes_reserve(out, frame->count), text[STAMP_DIGITS];
    if (!provider->leg) {
        memcpy(at, frame->data, frame->count);
        put_masked(frame, at, frame->id_at, message->request_id.data, message->request_id.count);
    }
    put_decimal(text, message->number, NUMBER_DIGITS);
    put_masked(frame, at, frame->number_at, text, NUMBER_DIGITS);
    put_stamp(text, monotonic_now());
    put_masked(frame, at, frame->stamp_at, text, STAMP_DIGITS);
    if (provider->leg)
        send_sealed(provider, "inference_response_chunk", message->request_id.data, message->request_id.count, at,
                    frame->count);
    else out->tail += frame->count;
    emit_end(provider, message->request_id.data, message->request_id.count, "complete", 1);
    connection_touch(&provider->connection);
}

bool answer(struct provider *provider, const struct message *message) {
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
        if (!provider->leg) put_masked(frame, bytes, frame->id_at, slot->id, slot->id_count);
        put_masked(frame, bytes, frame->number_at, number, NUMBER_DIGITS);
    }
    if (provider->active++ == 0 && options.rate == 0) {
        if (producer_count == producer_capacity) {
            producer_capacity = producer_capacity ? 2 * producer_capacity : 64;
            producers = realloc(producers, sizeof *producers * (size_t)producer_capacity);
            if (!producers) fatal("out of memory");
        }
        producers[producer_count++] = provider;
        provider->place = producer_count;
    }
    if (options.rate > 0) timer_set(&slot->timer, loop_now + (uint64_t)(1e9 / options.rate));
    return true;
}

void cancel(struct provider *provider, const struct message *message) {
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

bool producers_busy(void) {
    for (int i = 0; i < producer_count; i++)
        if (!producers[i]->connection.blocked) return true;
    return false;
}
