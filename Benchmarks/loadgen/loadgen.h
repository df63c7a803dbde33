// The load generator: plays buyers, and either providers (WebSocket clients) or an HTTP upstream, on one thread.
//
// It has to be cheaper than the servers it measures, or it measures itself: answers are copied from templates that are
// already framed, escaped and masked, and only the digits that differ are written anew.
#ifndef LOADGEN_H
#define LOADGEN_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { NUMBER_DIGITS = 10, SEQUENCE_DIGITS = 6, STAMP_DIGITS = 16, COUNT_DIGITS = 5, MAX_ID_BYTES = 64, MAX_PIDS = 64 };

// ---- options -------------------------------------------------------------------------------------------------------

struct options {
    bool proxy;                     // an HTTP upstream instead of providers
    int buyer_port, provider_port, upstream_port;
    int providers, slots, idle_providers, buyers;
    bool stream;
    int chunks;                     // per stream
    size_t chunk_bytes, body_bytes;
    double rate;                    // chunks per second and stream; 0 is saturated
    int burst;                      // saturated: chunks of one stream per turn; 0 is as many as the buffer takes
    double warmup_s, seconds, settle_s, connect_timeout_s, storm_at_s;
    int storm;                      // idle providers that reconnect at once, storm_at_s into the window
    double heartbeat_s;
    bool tls_buyer, tls_provider, encrypted_leg;
    const char *certificate, *key;  // PEM, for the upstream's side of TLS
    const char *token;              // Authorization: Bearer of the providers
    bool zero_mask;
    int pids[MAX_PIDS], pid_count;  // the processes of the server under test
};
extern struct options options;

// ---- bytes ---------------------------------------------------------------------------------------------------------

struct bytes {
    uint8_t *data;
    size_t head, tail, capacity;
};
static inline size_t bytes_count(const struct bytes *b) { return b->tail - b->head; }
uint8_t *bytes_reserve(struct bytes *b, size_t count);  // room for count bytes behind the tail
void bytes_append(struct bytes *b, const void *data, size_t count);
void bytes_printf(struct bytes *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_consume(struct bytes *b, size_t count);
void bytes_free(struct bytes *b);

// ---- loop: connections, timers -------------------------------------------------------------------------------------

struct timer {
    uint64_t due;
    int index;  // place in the heap, plus one; 0 when not armed
    void (*fire)(struct timer *timer, uint64_t now);
};
void timer_set(struct timer *timer, uint64_t due);
void timer_cancel(struct timer *timer);

enum receive_result { RECEIVE_OK = 0, RECEIVE_BROKEN = -1 };

struct connection;
struct connection_kind {
    void (*opened)(struct connection *connection);
    // Everything that one read gave; RECEIVE_BROKEN closes the connection.
    enum receive_result (*received)(struct connection *connection, const uint8_t *data, size_t count, uint64_t now);
    void (*closed)(struct connection *connection, const char *why);
};
struct connection {
    const struct connection_kind *kind;
    int fd;
    SSL *ssl;
    bool connecting, handshaking, blocked, dirty, accepted, listed;
    struct bytes out;
    struct connection *next_dirty;
};
extern uint64_t loop_now;  // monotonic nanoseconds, as of the last wake or read
extern SSL_CTX *client_tls, *server_tls;

uint64_t monotonic_now(void);
void loop_init(void);
void loop_turn(uint64_t deadline, bool may_sleep);
bool connection_dial(struct connection *connection, const struct connection_kind *kind, int port, uint32_t source,
                     bool tls);
void connection_listen(int port, void (*accepted)(int fd));
void connection_accept(struct connection *connection, const struct connection_kind *kind, int fd, bool tls);
void connection_touch(struct connection *connection);  // has output: flushed at the end of the turn
void connection_flush(struct connection *connection);  // now
void connection_close(struct connection *connection, const char *why);

// ---- templates -----------------------------------------------------------------------------------------------------

// One SSE event, or one whole JSON answer: fixed bytes with three gaps that name request, place and time.
struct piece {
    uint8_t *data;
    size_t count, number_at, sequence_at, stamp_at;
};
struct frame {  // a piece as it stands in a masked WebSocket frame
    uint8_t *data;
    size_t count, header, id_at, seq_at, number_at, sequence_at, stamp_at;  // offsets from the frame's first byte
    uint8_t mask[4];
};
struct request_body {
    uint8_t *data, *escaped;
    size_t count, number_at, count_at, escaped_count, escaped_number_at, escaped_count_at;
};
enum { FRAME_CLASSES = 4 };  // by decimal digits of seq
extern struct piece event_piece, answer_piece;
extern struct request_body body;
extern uint8_t mask[4];
#define DONE_EVENT "data: [DONE]\n\n"
#define MODEL "bench-model"
#define IDLE_MODEL "bench-idle"

void templates_init(void);
// With the encrypted leg: the plaintext of the message, without header, mask and request_id.
void frame_build(struct frame *frame, const struct piece *piece, size_t id_count, int seq_digits, bool plaintext);
void frame_message(struct bytes *out, const void *text, size_t count);
void frame_control(struct bytes *out, uint8_t opcode, const void *payload, size_t count);
void put_decimal(uint8_t *at, uint64_t value, int digits);
void put_stamp(uint8_t *at, uint64_t value);
bool get_decimal(const uint8_t *at, int digits, uint64_t *value);
bool get_stamp(const uint8_t *at, uint64_t *value);
size_t escape_json(uint8_t *to, const uint8_t *from, size_t count);

// ---- roles ---------------------------------------------------------------------------------------------------------

void buyers_init(void);
void buyers_start(void);
void buyers_stop(void);       // no further request
int buyers_running(void);     // requests under way
void providers_init(void);
bool providers_ready(void);
void providers_connect_some(void);
void providers_produce(void);
bool providers_busy(void);
bool producers_busy(void);
void providers_storm(void);
void upstream_init(void);
void upstream_produce(void);
bool upstream_busy(void);
extern bool draining;         // streams that are paced run out at full speed

// ---- report --------------------------------------------------------------------------------------------------------

enum { HISTOGRAM_BITS = 6, HISTOGRAM_BUCKETS = 64 << HISTOGRAM_BITS };
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS], count, sum, max;
};
void histogram_add(struct histogram *histogram, uint64_t value);

struct storm_report {
    uint64_t began, ended, refused;
};
struct report {
    uint64_t chunks, requests, bytes, heartbeats;      // inside the window
    uint64_t all_chunks, all_requests;                 // of the whole run, all of them checked
    uint64_t errors, reconnects, refusals, cancels, preflights;
    struct histogram latency, gap, request, first_byte, lag;
    struct storm_report storm;
};
extern struct report report;
extern bool measuring;

struct usage {
    uint64_t cpu_ns, user_ns, system_ns, resident;
};
struct usage usage_of_servers(void);
struct usage usage_of_self(void);
struct usage usage_of_machine(void);
void failure(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_print(FILE *file, double window_s, double connect_s, const struct usage server[4],
                  const struct usage self[2], const struct usage machine[2]);

#endif
