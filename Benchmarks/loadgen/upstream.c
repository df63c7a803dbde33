// The HTTP upstream behind nginx or HAProxy: streams the same events that the providers send.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "loadgen.h"

struct upstream {
    struct connection connection;
    struct timer timer;
    struct bytes in;
    uint64_t number;
    int count, sequence;
    bool streaming;
    uint8_t *chunk;  // the framed event of this answer
    int place;       // in the list of those that stream, plus one
};

static struct upstream **streaming;
static int streaming_count, streaming_capacity;
static struct bytes chunk_template, stream_head;
static size_t chunk_event_at;
static const struct connection_kind kind;

static void stream_end(struct upstream *upstream) {
    bytes_printf(&upstream->connection.out, "%zx\r\n" DONE_EVENT "\r\n0\r\n\r\n", sizeof DONE_EVENT - 1);
    upstream->streaming = false;
}

static void list_remove(struct upstream *upstream) {
    if (upstream->place == 0) return;
    struct upstream *last = streaming[--streaming_count];
    streaming[upstream->place - 1] = last;
    last->place = upstream->place;
    upstream->place = 0;
}

static void emit(struct upstream *upstream, uint64_t stamp) {
    uint8_t *at = bytes_reserve(&upstream->connection.out, chunk_template.tail);
    memcpy(at, upstream->chunk, chunk_template.tail);
    put_decimal(at + chunk_event_at + event_piece.sequence_at, (uint64_t)upstream->sequence++, SEQUENCE_DIGITS);
    put_stamp(at + chunk_event_at + event_piece.stamp_at, stamp);
    upstream->connection.out.tail += chunk_template.tail;
    if (upstream->sequence == upstream->count) stream_end(upstream);
}

static void pace_fired(struct timer *timer, uint64_t now) {
    struct upstream *upstream = (struct upstream *)((char *)timer - offsetof(struct upstream, timer));
    if (measuring) histogram_add(&report.lag, now - timer->due);
    do emit(upstream, now);
    while (draining && upstream->streaming);
    if (upstream->streaming) timer_set(timer, timer->due + (uint64_t)(1e9 / options.rate));
    connection_flush(&upstream->connection);
}

static bool request_take(struct upstream *upstream, const uint8_t *request) {
    uint64_t number, count;
    if (!get_decimal(request + body.number_at, NUMBER_DIGITS, &number) ||
        !get_decimal(request + body.count_at, COUNT_DIGITS, &count) || count == 0 ||
        memcmp(request, body.data, body.number_at) != 0 || request[body.number_at + NUMBER_DIGITS] != '-' ||
        memcmp(request + body.count_at + COUNT_DIGITS, body.data + body.count_at + COUNT_DIGITS,
               body.count - body.count_at - COUNT_DIGITS) != 0) {
        failure("upstream: the request's body is not what was sent");
        return false;
    }
    struct bytes *out = &upstream->connection.out;
    upstream->number = number;
    upstream->count = (int)count;
    upstream->sequence = 0;
    if (!options.stream) {
        bytes_printf(out, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     answer_piece.count);
        uint8_t *at = bytes_reserve(out, answer_piece.count);
        memcpy(at, answer_piece.data, answer_piece.count);
        put_decimal(at + answer_piece.number_at, number, NUMBER_DIGITS);
        put_stamp(at + answer_piece.stamp_at, monotonic_now());
        out->tail += answer_piece.count;
        connection_touch(&upstream->connection);
        return true;
    }
    upstream->streaming = true;
    put_decimal(upstream->chunk + chunk_event_at + event_piece.number_at, number, NUMBER_DIGITS);
    bytes_append(out, stream_head.data, stream_head.tail);
    if (options.rate > 0) {
        timer_set(&upstream->timer, loop_now + (uint64_t)(1e9 / options.rate));
    } else {
        if (streaming_count == streaming_capacity) {
            streaming_capacity = streaming_capacity ? 2 * streaming_capacity : 64;
            streaming = realloc(streaming, sizeof *streaming * (size_t)streaming_capacity);
            if (!streaming) fatal("out of memory");
        }
        streaming[streaming_count++] = upstream;
        upstream->place = streaming_count;
    }
    connection_touch(&upstream->connection);
    return true;
}

static enum receive_result received(struct connection *connection, const uint8_t *data, size_t count, uint64_t now) {
    struct upstream *upstream = (struct upstream *)connection;
    (void)now;
    bytes_append(&upstream->in, data, count);
    for (;;) {
        const uint8_t *start = upstream->in.data + upstream->in.head;
        size_t held = bytes_count(&upstream->in);
        const uint8_t *stop = memmem(start, held > 16384 ? 16384 : held, "\r\n\r\n", 4);
        if (!stop) {
            if (held > 16384) return RECEIVE_BROKEN;
            return RECEIVE_OK;
        }
        size_t head = (size_t)(stop + 4 - start), length = 0;
        for (const uint8_t *at = start; at < stop; at++) {
            if (*at == '\n' && strncasecmp((const char *)at + 1, "content-length:", 15) == 0) {
                for (at += 16; *at == ' '; at++) {}
                while (*at >= '0' && *at <= '9' && length < 1u << 28) length = length * 10 + (size_t)(*at++ - '0');
                break;
            }
        }
        if (length != body.count) {
            failure("upstream: a body of %zu bytes, not %zu", length, body.count);
            return RECEIVE_BROKEN;
        }
        if (held < head + length) return RECEIVE_OK;
        if (upstream->streaming) {
            failure("upstream: a second request on a busy connection");
            return RECEIVE_BROKEN;
        }
        if (!request_take(upstream, start + head)) return RECEIVE_BROKEN;
        bytes_consume(&upstream->in, head + length);
        if (bytes_count(&upstream->in) == 0) return RECEIVE_OK;
    }
}

static void opened(struct connection *connection) { (void)connection; }

static void closed(struct connection *connection, const char *why) {
    struct upstream *upstream = (struct upstream *)connection;
    if (upstream->streaming) failure("upstream: closed in the middle of an answer: %s", why);
    timer_cancel(&upstream->timer);
    list_remove(upstream);
    upstream->streaming = false;
    upstream->in.head = upstream->in.tail = 0;
    // Not freed: the turn may still hold an event for it, and a run has few of these.
}

static const struct connection_kind kind = {opened, received, closed};

static void accepted(int fd) {
    struct upstream *upstream = calloc(1, sizeof *upstream);
    if (!upstream) fatal("out of memory");
    upstream->timer.fire = pace_fired;
    upstream->chunk = malloc(chunk_template.tail);
    if (!upstream->chunk) fatal("out of memory");
    memcpy(upstream->chunk, chunk_template.data, chunk_template.tail);
    connection_accept(&upstream->connection, &kind, fd, options.tls_provider);
}

void upstream_init(void) {
    bytes_printf(&chunk_template, "%zx\r\n", event_piece.count);
    chunk_event_at = chunk_template.tail;
    bytes_append(&chunk_template, event_piece.data, event_piece.count);
    bytes_printf(&chunk_template, "\r\n");
    bytes_printf(&stream_head, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                               "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection_listen(options.upstream_port, accepted);
}

void upstream_produce(void) {
    for (int i = 0; i < streaming_count;) {
        struct upstream *upstream = streaming[i];
        if (!upstream->connection.blocked && bytes_count(&upstream->connection.out) < 131072) {
            uint64_t stamp = monotonic_now();
            for (int n = 0; upstream->streaming && (options.burst == 0 || n < options.burst); n++)
                emit(upstream, stamp);
            connection_touch(&upstream->connection);
        }
        if (upstream->streaming) i++;
        else list_remove(upstream);
    }
}

bool upstream_busy(void) {
    for (int i = 0; i < streaming_count; i++)
        if (!streaming[i]->connection.blocked) return true;
    return false;
}
