// loadgen: options, and the course of one run: connect, warm up, measure, let what runs run out, print.
#define _GNU_SOURCE
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "loadgen.h"

struct options options = {
    .buyer_port = 8443, .provider_port = 8444, .upstream_port = 8445, .providers = 8, .slots = 8, .buyers = 64,
    .stream = true, .chunks = 200, .chunk_bytes = 220, .burst = 1, .warmup_s = 1, .seconds = 5, .settle_s = 0,
    .connect_timeout_s = 60, .storm_at_s = 1, .heartbeat_s = 30,
};

static const char *const usage_text =
    "usage: loadgen [options]          prints one JSON object; status 1 when any byte or any answer was wrong\n"
    "  --proxy                  serve an HTTP upstream (for nginx, HAProxy) instead of being providers\n"
    "  --buyer-port N  --provider-port N  --upstream-port N      on 127.0.0.1\n"
    "  --providers N  --slots N  --idle-providers N  --buyers N\n"
    "  --no-stream              JSON answers instead of event streams\n"
    "  --chunks N  --chunk-bytes N      of a stream, of an event\n"
    "  --body-bytes N           size of a request's body (default: as small as it can be)\n"
    "  --rate R                 chunks per second and stream; 0 (default): as fast as the sockets take them\n"
    "  --burst N                with --rate 0: chunks of a stream per turn of the loop; 0: fill the buffers\n"
    "  --warmup S  --seconds S  --settle S (behind connecting)  --connect-timeout S  --heartbeat S\n"
    "  --storm N  --storm-at S  N idle providers reconnect at once, S into the window\n"
    "  --tls-buyer  --tls-provider  --certificate FILE  --key FILE\n"
    "  --encrypted-leg          providers speak version 2 of the protocol and seal what they send\n"
    "  --token T  --zero-mask\n"
    "  --pid N                  a process of the server under test (may be repeated)\n";

static void options_parse(int count, char **arguments) {
    enum { PROXY = 256, BUYER_PORT, PROVIDER_PORT, UPSTREAM_PORT, PROVIDERS, SLOTS, IDLE_PROVIDERS, BUYERS, NO_STREAM,
           CHUNKS, CHUNK_BYTES, BODY_BYTES, RATE, BURST, WARMUP, SECONDS, SETTLE, CONNECT_TIMEOUT, HEARTBEAT, STORM,
           STORM_AT, TLS_BUYER, TLS_PROVIDER, CERTIFICATE, KEY, TOKEN, ZERO_MASK, PID, ENCRYPTED_LEG };
    static const struct option known[] = {
        {"proxy", 0, 0, PROXY}, {"buyer-port", 1, 0, BUYER_PORT}, {"provider-port", 1, 0, PROVIDER_PORT},
        {"upstream-port", 1, 0, UPSTREAM_PORT}, {"providers", 1, 0, PROVIDERS}, {"slots", 1, 0, SLOTS},
        {"idle-providers", 1, 0, IDLE_PROVIDERS}, {"buyers", 1, 0, BUYERS}, {"no-stream", 0, 0, NO_STREAM},
        {"chunks", 1, 0, CHUNKS}, {"chunk-bytes", 1, 0, CHUNK_BYTES}, {"body-bytes", 1, 0, BODY_BYTES},
        {"rate", 1, 0, RATE}, {"burst", 1, 0, BURST}, {"warmup", 1, 0, WARMUP}, {"seconds", 1, 0, SECONDS},
        {"settle", 1, 0, SETTLE}, {"connect-timeout", 1, 0, CONNECT_TIMEOUT}, {"heartbeat", 1, 0, HEARTBEAT},
        {"storm", 1, 0, STORM}, {"storm-at", 1, 0, STORM_AT}, {"tls-buyer", 0, 0, TLS_BUYER},
        {"tls-provider", 0, 0, TLS_PROVIDER}, {"certificate", 1, 0, CERTIFICATE}, {"key", 1, 0, KEY},
        {"token", 1, 0, TOKEN}, {"zero-mask", 0, 0, ZERO_MASK}, {"pid", 1, 0, PID},
        {"encrypted-leg", 0, 0, ENCRYPTED_LEG}, {0, 0, 0, 0}};
    int option;
    while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
        double number = 0;
        if (option >= BUYER_PORT && optarg && option != CERTIFICATE && option != KEY && option != TOKEN) {
            char *end;
            number = strtod(optarg, &end);
            if (*end != 0 || end == optarg || !(number >= 0 && number <= 1e9)) fatal("not a number: %s", optarg);
        }
        switch (option) {
        case PROXY: options.proxy = true; break;
        case BUYER_PORT: options.buyer_port = (int)number; break;
        case PROVIDER_PORT: options.provider_port = (int)number; break;
        case UPSTREAM_PORT: options.upstream_port = (int)number; break;
        case PROVIDERS: options.providers = (int)number; break;
        case SLOTS: options.slots = (int)number; break;
        case IDLE_PROVIDERS: options.idle_providers = (int)number; break;
        case BUYERS: options.buyers = (int)number; break;
        case NO_STREAM: options.stream = false; break;
        case CHUNKS: options.chunks = (int)number; break;
        case CHUNK_BYTES: options.chunk_bytes = (size_t)number; break;
        case BODY_BYTES: options.body_bytes = (size_t)number; break;
        case RATE: options.rate = number; break;
        case BURST: options.burst = (int)number; break;
        case WARMUP: options.warmup_s = number; break;
        case SECONDS: options.seconds = number; break;
        case SETTLE: options.settle_s = number; break;
        case CONNECT_TIMEOUT: options.connect_timeout_s = number; break;
        case HEARTBEAT: options.heartbeat_s = number; break;
        case STORM: options.storm = (int)number; break;
        case STORM_AT: options.storm_at_s = number; break;
        case TLS_BUYER: options.tls_buyer = true; break;
        case TLS_PROVIDER: options.tls_provider = true; break;
        case CERTIFICATE: options.certificate = optarg; break;
        case KEY: options.key = optarg; break;
        case TOKEN: options.token = optarg; break;
        case ZERO_MASK: options.zero_mask = true; break;
        case ENCRYPTED_LEG: options.encrypted_leg = true; break;
        case PID:
            if (options.pid_count == MAX_PIDS) fatal("too many --pid");
            options.pids[options.pid_count++] = (int)number;
            break;
        default: fputs(usage_text, stderr); exit(2);
        }
    }
    if (optind != count) fatal("what is %s?", arguments[optind]);
    if (options.chunks < 1 || options.chunks > 9999) fatal("--chunks is 1 to 9999");
    if (options.slots < 1 || options.slots > 1024) fatal("--slots is 1 to 1024");
    if (options.buyers > 0 && !options.proxy && options.providers < 1) fatal("buyers need --providers");
    if (options.storm > options.idle_providers) fatal("--storm needs as many --idle-providers");
}

static uint64_t after(double seconds) { return monotonic_now() + (uint64_t)(seconds * 1e9); }

static void run_until(uint64_t deadline, bool (*done)(void)) {
    while (monotonic_now() < deadline && !(done && done()))
        loop_turn(deadline, !(options.proxy ? upstream_busy() : providers_busy()));
}

static bool nobody_runs(void) { return buyers_running() == 0; }
static bool storm_is_over(void) { return report.storm.ended != 0; }

int main(int count, char **arguments) {
    options_parse(count, arguments);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1ul);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int files = options.providers + options.idle_providers + options.buyers * (options.proxy ? 2 : 1) + 32;
    if ((rlim_t)files > limit.rlim_max)
        fatal("%llu open files are allowed (ulimit -Hn), which is too few for this load",
              (unsigned long long)limit.rlim_max);
    templates_init();
    loop_init();
    buyers_init();
    struct usage server[4] = {0}, self[2] = {0}, machine[2];
    server[0] = usage_of_servers();
    uint64_t began = monotonic_now();
    loop_now = began;
    if (options.proxy) {
        upstream_init();
    } else {
        providers_init();
        run_until(after(options.connect_timeout_s), providers_ready);
        if (!providers_ready()) fatal("not all providers are connected after %g s", options.connect_timeout_s);
    }
    double connect_s = (double)(monotonic_now() - began) / 1e9;
    if (options.settle_s > 0) run_until(after(options.settle_s), NULL);
    server[1] = usage_of_servers();
    buyers_start();
    run_until(after(options.warmup_s), NULL);

    server[2] = usage_of_servers();
    self[0] = usage_of_self();
    machine[0] = usage_of_machine();
    uint64_t window = monotonic_now();
    measuring = true;
    if (options.storm > 0) {
        run_until(after(options.storm_at_s), NULL);
        providers_storm();
    }
    run_until(window + (uint64_t)(options.seconds * 1e9), NULL);
    measuring = false;
    double window_s = (double)(monotonic_now() - window) / 1e9;
    server[3] = usage_of_servers();
    self[1] = usage_of_self();
    machine[1] = usage_of_machine();

    if (options.storm > 0) run_until(after(10), storm_is_over);
    buyers_stop();
    draining = true;
    run_until(after(10), nobody_runs);
    if (buyers_running() > 0) failure("%d answers never ended", buyers_running());
    report_print(stdout, window_s, connect_s, server, self, machine);
    return report.errors > 0 ? 1 : 0;
}
