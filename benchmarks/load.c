/* The load for the engine's measurements, in a process of its own and light enough not to be the
 * bottleneck. Only loopback.
 *
 *   load echo  PORT CONNECTIONS SECONDS SIZE   each connection has one message under way
 *   load bulk  PORT 1           SECONDS SIZE   writes as fast as it is taken
 *   load churn PORT CONNECTIONS SECONDS SIZE   connect, one echo, close, again
 *   load idle  PORT CONNECTIONS 0 0            only opens them
 *
 * It opens the connections (with echo and churn one message goes there and back on each, so that
 * they are accepted), prints "ready" and waits for a line. Then it loads the server, waits for what
 * is under way, and prints the amount (messages, bytes, connections), the seconds that this took
 * and the CPU seconds that it used itself. It ends, and the connections with it, at end of input.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 256
#define PATIENCE 10000 /* milliseconds of silence: the server has lost a message */

static char buffer[1 << 20];
static int port, size, poller;

static void fail(const char *what) {
    fprintf(stderr, "load: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void join(int fd) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        perror("load: connect");
        exit(1);
    }
}

/* Abort the connection and keep the descriptor: cheaper than a new one, and no port stays in
 * TIME_WAIT. */
static void part(int fd) {
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    connect(fd, &nobody, sizeof nobody);
}

static int dial(unsigned events) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event event = {.events = events, .data.fd = fd};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    join(fd);
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

static void ask(int fd) { send(fd, buffer, size, MSG_NOSIGNAL); }

static void get_answer(int fd) {
    if (recv(fd, buffer + (1 << 19), size, MSG_WAITALL) != size) fail("the server hung up");
}

static int wait_for(struct epoll_event *events) {
    int ready = epoll_wait(poller, events, BATCH, PATIENCE);
    if (ready <= 0) fail("the server is silent");
    return ready;
}

/* echo, churn */
static long long converse(const int *fds, int connections, double end, int churn) {
    struct epoll_event events[BATCH];
    long long done = 0;
    int under_way = connections;
    for (int i = 0; i < connections; i++) ask(fds[i]);
    while (under_way > 0) {
        int ready = wait_for(events), enough = now() >= end;
        done += ready;
        if (enough) under_way -= ready;
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            get_answer(fd);
            if (churn) part(fd);
            if (churn && enough) close(fd);
            if (enough) continue;
            if (churn) join(fd);
            ask(fd);
        }
    }
    return done;
}

/* bulk; out of a file in memory, so that only the server copies */
static long long pour(int fd, double end) {
    struct epoll_event events[BATCH];
    long long done = 0;
    int file = memfd_create("bulk", 0);
    if (ftruncate(file, size) < 0) fail("no memory");
    while (now() < end) {
        off_t begin = 0;
        wait_for(events);
        ssize_t taken = sendfile(fd, file, &begin, size);
        if (taken < 0 && errno != EAGAIN) fail("the server hung up");
        if (taken > 0) done += taken;
    }
    return done;
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "usage: load echo|bulk|churn|idle PORT CONNECTIONS SECONDS SIZE\n");
        return 2;
    }
    int churn = !strcmp(words[1], "churn"), converses = churn || !strcmp(words[1], "echo");
    int connections = atoi(words[3]), *fds = calloc(connections, sizeof *fds);
    double seconds = atof(words[4]);
    port = atoi(words[2]);
    size = atoi(words[5]);
    poller = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        fds[i] = dial(converses ? EPOLLIN : EPOLLOUT);
        if (!converses) continue;
        ask(fds[i]);
        get_answer(fds[i]);
    }
    if (!strcmp(words[1], "bulk")) fcntl(fds[0], F_SETFL, O_NONBLOCK);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF) return 0;
    double began = now(), used = cpu();
    long long amount = converses ? converse(fds, connections, began + seconds, churn)
                                 : pour(fds[0], began + seconds);
    printf("%lld %.6f %.6f\n", amount, now() - began, cpu() - used);
    fflush(stdout);
    while (getchar() != EOF) continue;
    return 0;
}
