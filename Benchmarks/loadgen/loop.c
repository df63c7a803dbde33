// epoll, edge-triggered for both directions at once, so that no epoll_ctl is needed after a socket is registered.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "loadgen.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum { READ_BYTES = 256 * 1024, EVENTS = 512 };

uint64_t loop_now;
SSL_CTX *client_tls, *server_tls;
static int poller, listener = -1;
static void (*listener_accepted)(int fd);
static struct connection *dirty;
static uint8_t *read_buffer;

uint64_t monotonic_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// ---- timers: a binary heap -----------------------------------------------------------------------------------------

static struct timer **heap;
static int heap_count, heap_capacity;

static void heap_place(int index, struct timer *timer) {
    heap[index] = timer;
    timer->index = index + 1;
}

static void heap_up(int index, struct timer *timer) {
    while (index > 0) {
        int parent = (index - 1) / 2;
        if (heap[parent]->due <= timer->due) break;
        heap_place(index, heap[parent]);
        index = parent;
    }
    heap_place(index, timer);
}

static void heap_down(int index, struct timer *timer) {
    for (;;) {
        int child = 2 * index + 1;
        if (child >= heap_count) break;
        if (child + 1 < heap_count && heap[child + 1]->due < heap[child]->due) child++;
        if (timer->due <= heap[child]->due) break;
        heap_place(index, heap[child]);
        index = child;
    }
    heap_place(index, timer);
}

void timer_cancel(struct timer *timer) {
    if (timer->index == 0) return;
    int index = timer->index - 1;
    timer->index = 0;
    struct timer *last = heap[--heap_count];
    if (last == timer) return;
    if (index > 0 && heap[(index - 1) / 2]->due > last->due) heap_up(index, last);
    else heap_down(index, last);
}

void timer_set(struct timer *timer, uint64_t due) {
    timer_cancel(timer);
    timer->due = due;
    if (heap_count == heap_capacity) {
        heap_capacity = heap_capacity ? heap_capacity * 2 : 1024;
        heap = realloc(heap, sizeof *heap * (size_t)heap_capacity);
        if (!heap) fatal("out of memory");
    }
    heap_up(heap_count++, timer);
}

// ---- connections ---------------------------------------------------------------------------------------------------

void loop_init(void) {
    poller = epoll_create1(EPOLL_CLOEXEC);
    read_buffer = malloc(READ_BYTES);
    if (poller < 0 || !read_buffer) fatal("epoll_create1: %s", strerror(errno));
    if (options.tls_buyer || options.tls_provider) {
        client_tls = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(client_tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_verify(client_tls, SSL_VERIFY_NONE, NULL);
        if (options.proxy && options.tls_provider) {
            server_tls = SSL_CTX_new(TLS_server_method());
            SSL_CTX_set_mode(server_tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
            if (!options.certificate || !options.key ||
                SSL_CTX_use_certificate_chain_file(server_tls, options.certificate) != 1 ||
                SSL_CTX_use_PrivateKey_file(server_tls, options.key, SSL_FILETYPE_PEM) != 1)
                fatal("cannot load --certificate and --key");
        }
    }
}

static void connection_register(struct connection *connection) {
    int on = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) < 0) fatal("epoll_ctl: %s", strerror(errno));
}

static void connection_start_tls(struct connection *connection, SSL_CTX *context) {
    connection->ssl = SSL_new(context);
    SSL_set_fd(connection->ssl, connection->fd);
    if (context == server_tls) SSL_set_accept_state(connection->ssl);
    else SSL_set_connect_state(connection->ssl);
    connection->handshaking = true;
}

bool connection_dial(struct connection *connection, const struct connection_kind *kind, int port, uint32_t source,
                     bool tls) {
    connection->kind = kind;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0) fatal("socket: %s", strerror(errno));
    if (source != 0) {
        // The port is chosen at connect, per destination: a source address then serves 28,000 connections.
        int on = 1;
        setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};
        if (bind(connection->fd, (struct sockaddr *)&from, sizeof from) < 0) fatal("bind: %s", strerror(errno));
    }
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(connection->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) {
        close(connection->fd);
        connection->fd = -1;
        return false;
    }
    connection->connecting = true;
    connection->blocked = true;
    if (tls) connection_start_tls(connection, client_tls);
    connection_register(connection);
    return true;
}

void connection_listen(int port, void (*accepted)(int fd)) {
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 4096) < 0)
        fatal("cannot listen on port %d: %s", port, strerror(errno));
    listener_accepted = accepted;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) < 0) fatal("epoll_ctl: %s", strerror(errno));
}

void connection_accept(struct connection *connection, const struct connection_kind *kind, int fd, bool tls) {
    connection->kind = kind;
    connection->fd = fd;
    connection->accepted = true;
    if (tls) connection_start_tls(connection, server_tls);
    connection_register(connection);
}

void connection_touch(struct connection *connection) {
    if (connection->dirty) return;
    connection->dirty = true;
    connection->next_dirty = dirty;
    dirty = connection;
}

void connection_close(struct connection *connection, const char *why) {
    if (connection->fd < 0) return;
    if (connection->ssl) SSL_free(connection->ssl);
    connection->ssl = NULL;
    close(connection->fd);
    connection->fd = -1;
    connection->connecting = connection->handshaking = connection->blocked = false;
    connection->out.head = connection->out.tail = 0;
    connection->kind->closed(connection, why);
}

void connection_flush(struct connection *connection) {
    while (connection->fd >= 0 && !connection->blocked && !connection->handshaking && bytes_count(&connection->out)) {
        const uint8_t *data = connection->out.data + connection->out.head;
        size_t count = bytes_count(&connection->out);
        ssize_t sent;
        if (connection->ssl) {
            sent = SSL_write(connection->ssl, data, count > INT32_MAX ? INT32_MAX : (int)count);
            if (sent <= 0) {
                int error = SSL_get_error(connection->ssl, (int)sent);
                ERR_clear_error();
                if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) connection->blocked = true;
                else connection_close(connection, "TLS write failed");
                return;
            }
        } else {
            sent = send(connection->fd, data, count, MSG_NOSIGNAL);
            if (sent < 0) {
                if (errno == EAGAIN) connection->blocked = true;
                else connection_close(connection, strerror(errno));
                return;
            }
            if ((size_t)sent < count) connection->blocked = true;  // the socket is full: an edge will come
        }
        bytes_consume(&connection->out, (size_t)sent);
    }
}

static void connection_read(struct connection *connection) {
    for (;;) {
        ssize_t count;
        if (connection->ssl) {
            count = SSL_read(connection->ssl, read_buffer, READ_BYTES);
            if (count <= 0) {
                int error = SSL_get_error(connection->ssl, (int)count);
                ERR_clear_error();
                if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                    connection_close(connection, "closed by the server");
                return;
            }
        } else {
            count = recv(connection->fd, read_buffer, READ_BYTES, 0);
            if (count <= 0) {
                if (count < 0 && errno == EAGAIN) return;
                connection_close(connection, count == 0 ? "closed by the server" : strerror(errno));
                return;
            }
        }
        loop_now = monotonic_now();
        if (connection->kind->received(connection, read_buffer, (size_t)count, loop_now) != RECEIVE_OK)
            connection_close(connection, "broken by its peer");
        if (connection->fd < 0 || connection->connecting) return;
        if (!connection->ssl && count < READ_BYTES) return;  // drained: more bytes make a new edge
    }
}

static void connection_event(struct connection *connection, uint32_t events) {
    if (connection->fd < 0) return;
    if (connection->connecting) {
        if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) return;
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            connection_close(connection, strerror(error));
            return;
        }
        connection->connecting = connection->blocked = false;
        if (!connection->ssl) connection->kind->opened(connection);
    }
    if (connection->handshaking) {
        int done = SSL_do_handshake(connection->ssl);
        if (done != 1) {
            int error = SSL_get_error(connection->ssl, done);
            ERR_clear_error();
            if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
                connection_close(connection, "TLS handshake failed");
            return;
        }
        connection->handshaking = false;
        connection->kind->opened(connection);
    }
    if (events & EPOLLOUT && connection->blocked) {
        connection->blocked = false;
        connection_touch(connection);
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) connection_read(connection);
}

void loop_turn(uint64_t deadline, bool may_sleep) {
    struct epoll_event events[EVENTS];
    struct timespec wait = {0};
    if (may_sleep) {
        uint64_t now = monotonic_now();
        uint64_t until = heap_count && heap[0]->due < deadline ? heap[0]->due : deadline;
        if (until > now) {
            wait.tv_sec = (time_t)((until - now) / 1000000000u);
            wait.tv_nsec = (long)((until - now) % 1000000000u);
        }
    }
    int count = epoll_pwait2(poller, events, EVENTS, &wait, NULL);
    if (count < 0 && errno != EINTR) fatal("epoll_pwait2: %s", strerror(errno));
    loop_now = monotonic_now();
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &listener) {
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) listener_accepted(fd);
        } else {
            connection_event(events[i].data.ptr, events[i].events);
        }
    }
    loop_now = monotonic_now();
    // Bounded: when the pace is more than this machine can make, reading has to go on all the same.
    for (int fired = 0; fired < 256 && heap_count && heap[0]->due <= loop_now; fired++) {
        struct timer *timer = heap[0];
        timer_cancel(timer);
        timer->fire(timer, loop_now);
        loop_now = monotonic_now();
    }
    providers_connect_some();
    if (options.proxy) upstream_produce();
    else providers_produce();
    while (dirty) {
        struct connection *connection = dirty;
        dirty = connection->next_dirty;
        connection->dirty = false;
        connection_flush(connection);
    }
}
