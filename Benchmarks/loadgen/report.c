// Counting, and what the system says about processes.
#define _GNU_SOURCE
#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loadgen.h"

struct report report;
bool measuring;

// Buckets of a 64th of a power of two: an error of at most 1.6 %.
void histogram_add(struct histogram *histogram, uint64_t value) {
    unsigned index;
    if (value < 1u << HISTOGRAM_BITS) {
        index = (unsigned)value;
    } else {
        unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
        index = ((exponent - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS) |
                (unsigned)(value >> (exponent - HISTOGRAM_BITS) & ((1u << HISTOGRAM_BITS) - 1));
    }
    histogram->counts[index]++;
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max) histogram->max = value;
}

static double histogram_quantile(const struct histogram *histogram, double quantile) {
    uint64_t wanted = (uint64_t)(quantile * (double)histogram->count), seen = 0;
    for (unsigned index = 0; index < HISTOGRAM_BUCKETS; index++) {
        seen += histogram->counts[index];
        if (seen <= wanted) continue;
        unsigned exponent = index >> HISTOGRAM_BITS;
        if (exponent == 0) return index;
        uint64_t low = ((1ull << HISTOGRAM_BITS) + (index & ((1u << HISTOGRAM_BITS) - 1))) << (exponent - 1);
        return (double)low + (double)(1ull << (exponent - 1)) / 2;
    }
    return (double)histogram->max;
}

// ---- processes -----------------------------------------------------------------------------------------------------

// The scheduler's own count has nanoseconds; /proc/PID/stat has ticks of 10 ms. Threads that ended are only in the
// latter, so the larger of both is taken.
static void usage_add(struct usage *usage, int pid) {
    char path[64], line[1024];
    uint64_t scheduled = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) fatal("the server under test (process %d) is gone", pid);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char file_path[400];
        snprintf(file_path, sizeof file_path, "/proc/%d/task/%s/schedstat", pid, entry->d_name);
        FILE *file = fopen(file_path, "r");
        unsigned long long ran;
        if (!file) continue;
        if (fscanf(file, "%llu", &ran) == 1) scheduled += ran;
        fclose(file);
    }
    closedir(tasks);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) fatal("the server under test (process %d) is gone", pid);
    fclose(file);
    char *at = strrchr(line, ')');
    unsigned long long user = 0, system = 0;
    long long pages = 0;
    if (!at || sscanf(at + 2,
                      "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %lld",
                      &user, &system, &pages) != 3)
        fatal("cannot read %s", path);
    uint64_t tick = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK), total = (user + system) * tick;
    usage->user_ns += user * tick;
    usage->system_ns += system * tick;
    usage->cpu_ns += scheduled > total ? scheduled : scheduled + tick < total ? total : scheduled;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if ((file = fopen(path, "r")) != NULL) {  // stat's page count is an estimate, the kernel's manual says
        unsigned long long kibibytes;
        while (fgets(line, sizeof line, file))
            if (sscanf(line, "VmRSS: %llu", &kibibytes) == 1) pages = (long long)kibibytes * 1024;
        fclose(file);
    }
    usage->resident += (uint64_t)pages;
}

struct usage usage_of_servers(void) {
    struct usage usage = {0};
    for (int i = 0; i < options.pid_count; i++) usage_add(&usage, options.pids[i]);
    return usage;
}

struct usage usage_of_self(void) {
    struct usage usage = {0};
    usage_add(&usage, getpid());
    return usage;
}

// All that the machine did. What neither the server nor this process did disturbed the measurement.
struct usage usage_of_machine(void) {
    struct usage usage = {0};
    unsigned long long user, nice, system, idle, wait, interrupts, soft, stolen;
    FILE *file = fopen("/proc/stat", "r");
    if (file && fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait,
                       &interrupts, &soft, &stolen) == 8)
        usage.cpu_ns = (user + nice + system + interrupts + soft + stolen) *
                       (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
    if (file) fclose(file);
    return usage;
}

// ---- errors and the result -----------------------------------------------------------------------------------------

void failure(const char *format, ...) {
    if (++report.errors > 10) return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "loadgen: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

void fatal(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "loadgen: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}

static void print_histogram(FILE *file, const char *name, const struct histogram *histogram) {
    double n = histogram->count ? (double)histogram->count : 1;
    fprintf(file, ",\"%s_us\":{\"count\":%llu,\"mean\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,"
                  "\"max\":%.2f}",
            name, (unsigned long long)histogram->count, (double)histogram->sum / n / 1e3,
            histogram_quantile(histogram, 0.5) / 1e3, histogram_quantile(histogram, 0.9) / 1e3,
            histogram_quantile(histogram, 0.99) / 1e3, histogram_quantile(histogram, 0.999) / 1e3,
            (double)histogram->max / 1e3);
}

void report_print(FILE *file, double window_s, double connect_s, const struct usage server[4],
                  const struct usage self[2], const struct usage machine[2]) {
    fprintf(file, "{\"window_s\":%.6f,\"connect_s\":%.3f,\"chunks\":%llu,\"requests\":%llu,\"bytes\":%llu,"
                  "\"checked_chunks\":%llu,\"checked_requests\":%llu,\"heartbeats\":%llu,\"errors\":%llu,"
                  "\"reconnects\":%llu,\"refusals\":%llu,\"cancels\":%llu,\"preflights\":%llu",
            window_s, connect_s, (unsigned long long)report.chunks, (unsigned long long)report.requests,
            (unsigned long long)report.bytes, (unsigned long long)report.all_chunks,
            (unsigned long long)report.all_requests, (unsigned long long)report.heartbeats,
            (unsigned long long)report.errors, (unsigned long long)report.reconnects,
            (unsigned long long)report.refusals, (unsigned long long)report.cancels,
            (unsigned long long)report.preflights);
    print_histogram(file, "latency", &report.latency);
    print_histogram(file, "gap", &report.gap);
    print_histogram(file, "request", &report.request);
    print_histogram(file, "first_byte", &report.first_byte);
    print_histogram(file, "pace_lag", &report.lag);
    if (options.pid_count > 0)
        fprintf(file, ",\"server\":{\"cpu_s\":%.6f,\"user_s\":%.2f,\"system_s\":%.2f,\"resident_idle\":%llu,"
                      "\"resident_connected\":%llu,\"resident_end\":%llu,\"connect_cpu_s\":%.6f}",
                (double)(server[3].cpu_ns - server[2].cpu_ns) / 1e9,
                (double)(server[3].user_ns - server[2].user_ns) / 1e9,
                (double)(server[3].system_ns - server[2].system_ns) / 1e9, (unsigned long long)server[0].resident,
                (unsigned long long)server[1].resident, (unsigned long long)server[3].resident,
                (double)(server[1].cpu_ns - server[0].cpu_ns) / 1e9);
    double own = (double)(self[1].cpu_ns - self[0].cpu_ns) / 1e9;
    double others = (double)(machine[1].cpu_ns - machine[0].cpu_ns) / 1e9 - own -
                    (double)(server[3].cpu_ns - server[2].cpu_ns) / 1e9;
    fprintf(file, ",\"generator\":{\"cpu_s\":%.6f},\"others_cpu_s\":%.2f", own, others > 0 ? others : 0);
    if (report.storm.began)
        fprintf(file, ",\"storm\":{\"providers\":%d,\"all_back_s\":%.6f,\"refused\":%llu}", options.storm,
                report.storm.ended ? (double)(report.storm.ended - report.storm.began) / 1e9 : -1.0,
                (unsigned long long)report.storm.refused);
    fprintf(file, "}\n");
    fflush(file);
}
