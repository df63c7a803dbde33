// Buyers: HTTP/1.1 keep-alive clients that check every byte of every answer, and its place in the order.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loadgen.h"

enum buyer_state { IDLE, HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct buyer {
    struct connection connection;
    struct timer timer;
    enum buyer_state state;
    bool open, keeps_alive, wants_request;
    int status;
    uint64_t number, started, last_arrival;
    int first_count;             // the first answer of a paced stream is shorter, so that ends do not coincide
    int count, sequence;         // pieces that the answer has; those seen
    bool done_seen;
    struct bytes head;
    uint64_t remaining;          // bytes of the body or of the chunk under way
    int line;                    // bytes of the chunk's size line, or which byte of its end is due
    uint8_t *expected, *staged;
    size_t staged_count;
    struct bytes refusal;
};

static struct buyer *buyers;
static uint64_t next_number = 1;
static struct bytes request_head;
static int running;
static bool stopped;

static const struct piece *piece_of_answer(void) { return options.stream ? &event_piece : &answer_piece; }

static void request_send(struct buyer *buyer) {
    const struct piece *piece = piece_of_answer();
    struct bytes *out = &buyer->connection.out;
    buyer->wants_request = false;
    buyer->number = next_number++;
    buyer->count = !options.stream ? 1 : buyer->first_count ? buyer->first_count : options.chunks;
    buyer->first_count = 0;
    buyer->sequence = 0;
    buyer->staged_count = 0;
    buyer->done_seen = false;
    buyer->last_arrival = 0;
    put_decimal(buyer->expected + piece->number_at, buyer->number, NUMBER_DIGITS);
    put_decimal(buyer->expected + piece->sequence_at, 0, SEQUENCE_DIGITS);
    bytes_append(out, request_head.data, request_head.tail);
    uint8_t *at = bytes_reserve(out, body.count);
    memcpy(at, body.data, body.count);
    put_decimal(at + body.number_at, buyer->number, NUMBER_DIGITS);
    put_decimal(at + body.count_at, (uint64_t)buyer->count, COUNT_DIGITS);
    out->tail += body.count;
    buyer->state = HEAD;
    buyer->started = monotonic_now();
    running++;
    connection_touch(&buyer->connection);
}

static const struct connection_kind kind;

static void request_begin(struct buyer *buyer) {
    if (stopped) return;
    if (buyer->open) {
        request_send(buyer);
    } else {
        buyer->wants_request = true;
        if (!connection_dial(&buyer->connection, &kind, options.buyer_port, 0, options.tls_buyer))
            timer_set(&buyer->timer, loop_now + 100000000u);
    }
}

static void timer_fired(struct timer *timer, uint64_t now) {
    (void)now;
    request_begin((struct buyer *)((char *)timer - offsetof(struct buyer, timer)));
}

static void opened(struct connection *connection) {
    struct buyer *buyer = (struct buyer *)connection;
    buyer->open = true;
    if (buyer->wants_request) request_send(buyer);
}

static void closed(struct connection *connection, const char *why) {
    struct buyer *buyer = (struct buyer *)connection;
    buyer->head.head = buyer->head.tail = 0;
    if (buyer->state != IDLE) {
        running--;
        failure("buyer: request %llu lost after %d of %d pieces: %s", (unsigned long long)buyer->number,
                buyer->sequence, buyer->count, why);
    } else if (!buyer->open) {
        failure("buyer: cannot connect to port %d: %s", options.buyer_port, why);
    } else {
        report.reconnects += measuring;
    }
    buyer->open = false;
    buyer->state = IDLE;
    timer_set(&buyer->timer, loop_now + 20000000u);
}

// ---- the answer ----------------------------------------------------------------------------------------------------

static bool piece_check(struct buyer *buyer, const uint8_t *data, uint64_t now) {
    const struct piece *piece = piece_of_answer();
    size_t behind = piece->stamp_at + STAMP_DIGITS;
    uint64_t stamp;
    if (memcmp(data, buyer->expected, piece->stamp_at) != 0 ||
        memcmp(data + behind, buyer->expected + behind, piece->count - behind) != 0 ||
        !get_stamp(data + piece->stamp_at, &stamp) || stamp < buyer->started || stamp > now) {
        failure("buyer: request %llu, piece %d is not what was sent: %.*s", (unsigned long long)buyer->number,
                buyer->sequence, (int)piece->count, (const char *)data);
        return false;
    }
    buyer->sequence++;
    // Counts up the expected digits in place.
    uint8_t *digit = buyer->expected + piece->sequence_at + SEQUENCE_DIGITS - 1;
    while (*digit == '9') *digit-- = '0';
    ++*digit;
    report.all_chunks++;
    if (measuring) {
        report.chunks++;
        report.bytes += piece->count;
        histogram_add(&report.latency, now - stamp);
        if (buyer->last_arrival != 0) histogram_add(&report.gap, now - buyer->last_arrival);
        else histogram_add(&report.first_byte, now - buyer->started);
    }
    buyer->last_arrival = now;
    return true;
}

static bool body_bytes(struct buyer *buyer, const uint8_t *data, size_t count, uint64_t now) {
    if (buyer->status != 200) {
        if (bytes_count(&buyer->refusal) < 300) bytes_append(&buyer->refusal, data, count < 300 ? count : 300);
        return true;
    }
    const struct piece *piece = piece_of_answer();
    const size_t done_count = sizeof DONE_EVENT - 1;
    while (count > 0) {
        bool last = buyer->sequence == buyer->count;
        size_t wanted = last ? done_count : piece->count;
        if (last && (buyer->done_seen || !options.stream)) {
            failure("buyer: request %llu: %zu bytes behind the end", (unsigned long long)buyer->number, count);
            return false;
        }
        const uint8_t *whole = data;
        size_t taken = wanted;
        if (buyer->staged_count > 0 || count < wanted) {
            taken = wanted - buyer->staged_count;
            if (taken > count) taken = count;
            memcpy(buyer->staged + buyer->staged_count, data, taken);
            buyer->staged_count += taken;
            whole = buyer->staged;
        }
        data += taken;
        count -= taken;
        if (whole == buyer->staged) {
            if (buyer->staged_count < wanted) return true;
            buyer->staged_count = 0;
        }
        if (last) {
            if (memcmp(whole, DONE_EVENT, done_count) != 0) {
                failure("buyer: request %llu ends with %.*s", (unsigned long long)buyer->number, (int)done_count,
                        (const char *)whole);
                return false;
            }
            buyer->done_seen = true;
        } else if (!piece_check(buyer, whole, now)) {
            return false;
        }
    }
    return true;
}

static bool answer_end(struct buyer *buyer, uint64_t now) {
    buyer->state = IDLE;
    running--;
    uint64_t next = 0;
    if (buyer->status != 200) {
        failure("buyer: status %d: %.*s", buyer->status, (int)bytes_count(&buyer->refusal),
                (const char *)(buyer->refusal.data ? buyer->refusal.data : (const uint8_t *)""));
        buyer->refusal.head = buyer->refusal.tail = 0;
        next = now + 20000000u;
    } else if (buyer->sequence != buyer->count || buyer->staged_count != 0 || (options.stream && !buyer->done_seen)) {
        failure("buyer: request %llu ended after %d of %d pieces", (unsigned long long)buyer->number, buyer->sequence,
                buyer->count);
    } else {
        report.all_requests++;
        if (measuring) {
            report.requests++;
            histogram_add(&report.request, now - buyer->started);
        }
    }
    if (!buyer->keeps_alive) return false;
    if (next != 0) timer_set(&buyer->timer, next);
    else request_begin(buyer);
    return true;
}

static const char *field(const struct bytes *head, const char *name, size_t *count) {
    const char *at = (const char *)head->data + head->head, *end = (const char *)head->data + head->tail;
    size_t length = strlen(name);
    while ((at = memmem(at, (size_t)(end - at), "\r\n", 2)) != NULL) {
        at += 2;
        if ((size_t)(end - at) > length && strncasecmp(at, name, length) == 0 && at[length] == ':') {
            at += length + 1;
            while (at < end && *at == ' ') at++;
            const char *stop = memmem(at, (size_t)(end - at), "\r\n", 2);
            *count = (size_t)(stop - at);
            return at;
        }
    }
    return NULL;
}

static bool head_parse(struct buyer *buyer) {
    const char *text = (const char *)buyer->head.data;
    uint64_t status;
    if (bytes_count(&buyer->head) < 15 || memcmp(text, "HTTP/1.1 ", 9) != 0 ||
        !get_decimal(buyer->head.data + 9, 3, &status)) {
        failure("buyer: not an HTTP/1.1 answer");
        return false;
    }
    buyer->status = (int)status;
    size_t count;
    const char *value = field(&buyer->head, "connection", &count);
    buyer->keeps_alive = !(value && count == 5 && strncasecmp(value, "close", 5) == 0);
    bool chunked = (value = field(&buyer->head, "transfer-encoding", &count)) != NULL;
    if (chunked && (count != 7 || strncasecmp(value, "chunked", 7) != 0)) chunked = false;
    const char *length = field(&buyer->head, "content-length", &count);
    if (chunked == (length != NULL)) {
        failure("buyer: the answer needs either a length or chunks");
        return false;
    }
    if (chunked) {
        buyer->state = CHUNK_SIZE;
        buyer->line = 0;
        buyer->remaining = 0;
    } else {
        buyer->state = LENGTH;
        if (count == 0 || count > 18 || !get_decimal((const uint8_t *)length, (int)count, &buyer->remaining)) {
            failure("buyer: a bad Content-Length");
            return false;
        }
    }
    return true;
}

static int hexadecimal(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static enum receive_result received(struct connection *connection, const uint8_t *data, size_t count, uint64_t now) {
    struct buyer *buyer = (struct buyer *)connection;
    const uint8_t *end = data + count;
    while (data < end || (buyer->state == LENGTH && buyer->remaining == 0)) {
        switch (buyer->state) {
        case IDLE:
            failure("buyer: bytes that nobody asked for");
            return RECEIVE_BROKEN;
        case HEAD: {
            size_t before = buyer->head.tail, from = before > 3 ? before - 3 : 0;
            size_t some = (size_t)(end - data) > 8192 ? 8192 : (size_t)(end - data);
            bytes_append(&buyer->head, data, some);
            uint8_t *stop = memmem(buyer->head.data + from, buyer->head.tail - from, "\r\n\r\n", 4);
            if (!stop) {
                if (buyer->head.tail > 65536) return RECEIVE_BROKEN;
                data += some;
                break;
            }
            size_t used = (size_t)(stop + 4 - buyer->head.data);
            data += used - before;
            buyer->head.tail = used;
            bool good = head_parse(buyer);
            buyer->head.head = buyer->head.tail = 0;
            if (!good) return RECEIVE_BROKEN;
            break;
        }
        case LENGTH:
        case CHUNK_DATA: {
            size_t some = (size_t)(end - data);
            if (some > buyer->remaining) some = (size_t)buyer->remaining;
            if (!body_bytes(buyer, data, some, now)) return RECEIVE_BROKEN;
            data += some;
            buyer->remaining -= some;
            if (buyer->remaining > 0) break;
            if (buyer->state == LENGTH) {
                if (!answer_end(buyer, now)) return RECEIVE_BROKEN;
            } else {
                buyer->state = CHUNK_END;
                buyer->line = 0;
            }
            break;
        }
        case CHUNK_SIZE:  // 1*HEXDIG CRLF; no server here has a reason to send an extension
            if (*data == '\r' && buyer->line > 0 && buyer->line < 16) {
                buyer->line = 16;
            } else if (*data == '\n' && buyer->line == 16) {
                buyer->line = 0;
                buyer->state = buyer->remaining > 0 ? CHUNK_DATA : TRAILER;
            } else {
                int digit = hexadecimal(*data);
                if (digit < 0 || buyer->line >= 8) {
                    failure("buyer: a bad chunk size");
                    return RECEIVE_BROKEN;
                }
                buyer->remaining = buyer->remaining << 4 | (uint64_t)digit;
                buyer->line++;
            }
            data++;
            break;
        case CHUNK_END:
        case TRAILER:  // CRLF; no trailer is expected
            if (*data != (buyer->line == 0 ? '\r' : '\n')) {
                failure("buyer: a bad end of a chunk");
                return RECEIVE_BROKEN;
            }
            data++;
            if (++buyer->line < 2) break;
            buyer->line = 0;
            if (buyer->state == CHUNK_END) buyer->state = CHUNK_SIZE;
            else if (!answer_end(buyer, now)) return RECEIVE_BROKEN;
            break;
        }
    }
    return RECEIVE_OK;
}

static const struct connection_kind kind = {opened, received, closed};

void buyers_init(void) {
    const struct piece *piece = piece_of_answer();
    bytes_printf(&request_head,
                 "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:%d\r\nUser-Agent: loadgen\r\n"
                 "Accept: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 options.buyer_port, options.stream ? "text/event-stream" : "application/json", body.count);
    buyers = calloc((size_t)options.buyers, sizeof *buyers);
    if (!buyers) fatal("out of memory");
    for (int i = 0; i < options.buyers; i++) {
        struct buyer *buyer = &buyers[i];
        buyer->connection.fd = -1;
        buyer->timer.fire = timer_fired;
        buyer->expected = malloc(2 * piece->count + 64);
        if (!buyer->expected) fatal("out of memory");
        buyer->staged = buyer->expected + piece->count + 32;
        memcpy(buyer->expected, piece->data, piece->count);
    }
}

void buyers_start(void) {
    // Spread over one interval of the pace, and over the length of a stream: a thousand machines are not in step.
    double spread = options.rate > 0 ? 1e9 / options.rate : 0;
    if (options.buyers > 200 && spread < 2e8) spread = 2e8;
    for (int i = 0; i < options.buyers; i++) {
        if (options.rate > 0) {
            uint64_t shuffled = (uint64_t)i * 7919 % (uint64_t)options.buyers;
            buyers[i].first_count = 1 + (int)((uint64_t)(options.chunks - 1) * shuffled / (uint64_t)options.buyers);
        }
        timer_set(&buyers[i].timer, loop_now + (uint64_t)(spread * i / options.buyers));
    }
}

void buyers_stop(void) { stopped = true; }
int buyers_running(void) { return running; }
