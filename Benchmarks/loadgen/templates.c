// Everything that goes over the wire, prepared once.
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen.h"

struct piece event_piece, answer_piece;
struct request_body body;
uint8_t mask[4];

uint8_t *bytes_reserve(struct bytes *b, size_t count) {
    if (b->tail + count > b->capacity) {
        if (b->head > 0) {
            memmove(b->data, b->data + b->head, b->tail - b->head);
            b->tail -= b->head;
            b->head = 0;
        }
        if (b->tail + count > b->capacity) {
            size_t capacity = b->capacity ? b->capacity : 512;
            while (capacity < b->tail + count) capacity *= 2;
            b->data = realloc(b->data, capacity);
            if (!b->data) fatal("out of memory");
            b->capacity = capacity;
        }
    }
    return b->data + b->tail;
}

void bytes_append(struct bytes *b, const void *data, size_t count) {
    memcpy(bytes_reserve(b, count), data, count);
    b->tail += count;
}

void bytes_printf(struct bytes *b, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t count = (size_t)vsnprintf(NULL, 0, format, arguments);
    vsnprintf((char *)bytes_reserve(b, count + 1), count + 1, format, again);
    b->tail += count;
    va_end(again);
    va_end(arguments);
}

void bytes_consume(struct bytes *b, size_t count) {
    b->head += count;
    if (b->head == b->tail) b->head = b->tail = 0;
}

void bytes_free(struct bytes *b) {
    free(b->data);
    *b = (struct bytes){0};
}

// ---- digits --------------------------------------------------------------------------------------------------------

void put_decimal(uint8_t *at, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (uint8_t)('0' + value % 10);
        value /= 10;
    }
}

void put_stamp(uint8_t *at, uint64_t value) {
    for (int i = STAMP_DIGITS - 1; i >= 0; i--) {
        at[i] = (uint8_t) "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

bool get_decimal(const uint8_t *at, int digits, uint64_t *value) {
    uint64_t result = 0;
    for (int i = 0; i < digits; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        result = result * 10 + (uint64_t)(at[i] - '0');
    }
    *value = result;
    return true;
}

bool get_stamp(const uint8_t *at, uint64_t *value) {
    uint64_t result = 0;
    for (int i = 0; i < STAMP_DIGITS; i++) {
        uint8_t byte = at[i], digit = (uint8_t)(byte - '0');
        if (digit > 9) {
            digit = (uint8_t)(byte - 'a' + 10);
            if (digit < 10 || digit > 15) return false;
        }
        result = result << 4 | digit;
    }
    *value = result;
    return true;
}

size_t escape_json(uint8_t *to, const uint8_t *from, size_t count) {
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        switch (from[i]) {
        case '"': to[at++] = '\\', to[at++] = '"'; break;
        case '\\': to[at++] = '\\', to[at++] = '\\'; break;
        case '\n': to[at++] = '\\', to[at++] = 'n'; break;
        default: to[at++] = from[i];
        }
    }
    return at;
}

// ---- frames --------------------------------------------------------------------------------------------------------

static size_t frame_header(uint8_t *at, uint8_t opcode, size_t count) {
    size_t used = 2;
    at[0] = 0x80 | opcode;
    if (count < 126) {
        at[1] = 0x80 | (uint8_t)count;
    } else if (count < 65536) {
        at[1] = 0x80 | 126;
        at[2] = (uint8_t)(count >> 8), at[3] = (uint8_t)count;
        used = 4;
    } else {
        at[1] = 0x80 | 127;
        for (int i = 0; i < 8; i++) at[2 + i] = (uint8_t)((uint64_t)count >> (56 - 8 * i));
        used = 10;
    }
    memcpy(at + used, mask, 4);
    return used + 4;
}

void frame_control(struct bytes *out, uint8_t opcode, const void *payload, size_t count) {
    uint8_t *at = bytes_reserve(out, count + 14);
    size_t header = frame_header(at, opcode, count);
    const uint8_t *from = payload;
    uint64_t wide;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t eight;
        memcpy(&eight, from + i, 8);
        eight ^= wide;
        memcpy(at + header + i, &eight, 8);
    }
    for (; i < count; i++) at[header + i] = from[i] ^ mask[i & 3];
    out->tail += header + count;
}

void frame_message(struct bytes *out, const void *text, size_t count) { frame_control(out, 1, text, count); }

void frame_build(struct frame *frame, const struct piece *piece, size_t id_count, int seq_digits, bool plaintext) {
    struct bytes text = {0};
    if (plaintext) {
        bytes_printf(&text, "{\"type\":\"inference_response_chunk_plaintext\",\"seq\":");
    } else {
        bytes_printf(&text, "{\"type\":\"inference_response_chunk\",\"request_id\":\"");
        frame->id_at = text.tail;
        bytes_printf(&text, "%.*s\",\"seq\":", (int)id_count,
                     "0000000000000000000000000000000000000000000000000000000000000000");
    }
    frame->seq_at = text.tail;
    bytes_printf(&text, "%.*s,\"data\":\"", seq_digits, "00000000");
    size_t data_at = text.tail;
    text.tail += escape_json(bytes_reserve(&text, 2 * piece->count), piece->data, piece->count);
    uint8_t ignored[65536];
    frame->number_at = data_at + escape_json(ignored, piece->data, piece->number_at);
    frame->sequence_at = data_at + escape_json(ignored, piece->data, piece->sequence_at);
    frame->stamp_at = data_at + escape_json(ignored, piece->data, piece->stamp_at);
    bytes_printf(&text, "\"}");
    struct bytes out = {0};
    if (plaintext) {
        bytes_append(&out, text.data, text.tail);
    } else {
        frame_message(&out, text.data, text.tail);
        memcpy(frame->mask, mask, 4);
    }
    frame->data = out.data;
    frame->count = out.tail;
    frame->header = out.tail - text.tail;
    frame->id_at += frame->header, frame->seq_at += frame->header, frame->number_at += frame->header;
    frame->sequence_at += frame->header, frame->stamp_at += frame->header;
    bytes_free(&text);
}

// ---- pieces and bodies ---------------------------------------------------------------------------------------------

static const char *const words =
    "the quick answer is that a relay has to keep every token in order while nobody waits for anybody else ";

static void fill(struct bytes *out, size_t count) {
    size_t length = strlen(words);
    for (size_t i = 0; i < count; i++) bytes_append(out, &words[i % length], 1);
}

static void piece_build(struct piece *piece, const char *before_id, const char *before_content, const char *tail,
                        size_t total) {
    struct bytes out = {0};
    bytes_printf(&out, "%s", before_id);
    piece->number_at = out.tail;
    bytes_printf(&out, "%0*d%s", NUMBER_DIGITS, 0, before_content);
    piece->sequence_at = out.tail;
    bytes_printf(&out, "%0*d ", SEQUENCE_DIGITS, 0);
    piece->stamp_at = out.tail;
    bytes_printf(&out, "%0*d", STAMP_DIGITS, 0);
    size_t least = out.tail + strlen(tail);
    if (total > 32000) fatal("--chunk-bytes is at most 32000");
    if (total < least) {
        if (total != 0) fatal("--chunk-bytes must be at least %zu", least);
        total = least + 40;
    }
    fill(&out, total - least);
    bytes_printf(&out, "%s", tail);
    piece->data = out.data;
    piece->count = out.tail;
}

// A chat body: text with newlines and quotes, which the JSON has escaped already and an envelope escapes again.
static void body_build(void) {
    struct bytes out = {0};
    bytes_printf(&out, "{\"model\":\"" MODEL "\",\"stream\":%s,\"user\":\"bench-", options.stream ? "true" : "false");
    body.number_at = out.tail;
    bytes_printf(&out, "%0*d-", NUMBER_DIGITS, 0);
    body.count_at = out.tail;
    bytes_printf(&out, "%0*d\",\"messages\":[{\"role\":\"system\",\"content\":\"You are terse.\"},", COUNT_DIGITS, 0);
    const char *tail = "\"}]}";
    bytes_printf(&out, "{\"role\":\"user\",\"content\":\"");
    static const char *const lines[] = {
        "The log says \\\"connection reset by peer\\\" after forty minutes of silence, and then nothing at all.\\n",
        "    if let value = table[\\\"key\\\"] { return value } // the usual path\\n",
        "What I tried: a longer time-out, a fresh deadline for each write, and one writer per connection.\\n\\n",
        "{\\\"type\\\": \\\"heartbeat\\\", \\\"slots_free\\\": 3, \\\"status\\\": \\\"ready\\\"}\\n",
    };
    const size_t wanted = options.body_bytes;
    for (int i = 0;; i++) {
        const char *line = lines[i % 4];
        if (out.tail + strlen(line) + strlen(tail) + 64 > wanted) break;
        bytes_printf(&out, "%s", line);
        if (i % 16 == 15)
            bytes_printf(&out, "\"},\n {\"role\":\"%s\",\"content\":\"", i % 32 == 15 ? "assistant" : "user");
    }
    if (out.tail + strlen(tail) < wanted) fill(&out, wanted - out.tail - strlen(tail));
    else bytes_printf(&out, "Say hello.");
    bytes_printf(&out, "%s", tail);
    body.data = out.data;
    body.count = out.tail;
    body.escaped = malloc(2 * body.count);
    if (!body.escaped) fatal("out of memory");
    body.escaped_number_at = escape_json(body.escaped, body.data, body.number_at);
    body.escaped_count_at = escape_json(body.escaped, body.data, body.count_at);
    body.escaped_count = escape_json(body.escaped, body.data, body.count);
}

void templates_init(void) {
    // A mask of zero would let a server's unmasking cost nothing that it can notice.
    if (!options.zero_mask) memcpy(mask, "\x5a\xc3\x91\x2e", 4);
    piece_build(&event_piece, "data: {\"id\":\"chatcmpl-bench-",
                "\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\"model\":\"" MODEL
                "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"",
                "\"},\"finish_reason\":null}]}\n\n", options.chunk_bytes);
    piece_build(&answer_piece, "{\"id\":\"chatcmpl-bench-",
                "\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":\"" MODEL
                "\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
                "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":16,"
                "\"total_tokens\":28}}", 0);
    body_build();
}
