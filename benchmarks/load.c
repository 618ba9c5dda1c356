/* The load for the engine's measurements, in a process of its own and light enough not to be the
 * bottleneck. Only loopback.
 *
 *   load echo  PORT CONNECTIONS SECONDS SIZE   each connection has one message under way; prints messages
 *   load bulk  PORT CONNECTIONS SECONDS SIZE   writes as fast as it is taken; prints bytes
 *   load churn PORT CONNECTIONS SECONDS SIZE   connect, one echo, close, again; prints connections
 *   load idle  PORT CONNECTIONS 0 0            opens them, prints their number, waits for end of input
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];
static int port, size;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int dial(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        perror("connect");
        exit(1);
    }
    return fd;
}

/* Abort, so that no port stays in TIME_WAIT. */
static void hang_up(int fd) {
    struct linger reset = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
}

static void watch(int poller, int fd, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static long long run(const char *mode, int connections, double seconds) {
    int poller = epoll_create1(0), echo = !strcmp(mode, "echo"), churn = !strcmp(mode, "churn");
    struct epoll_event events[256];
    long long done = 0;
    for (int i = 0; i < connections; i++) {
        int fd = dial();
        watch(poller, fd, echo || churn ? EPOLLIN : EPOLLOUT);
        if (echo || churn) send(fd, buffer, size, 0);
    }
    double end = now() + seconds;
    while (now() < end) {
        int ready = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (!echo && !churn) {
                ssize_t taken = send(fd, buffer, size, MSG_DONTWAIT);
                if (taken > 0) done += taken;
                continue;
            }
            ssize_t got = recv(fd, buffer + (1 << 19), size, 0);
            if (got <= 0) {
                fprintf(stderr, "the server hung up\n");
                exit(1);
            }
            done++;
            if (churn) {
                hang_up(fd);
                fd = dial();
                watch(poller, fd, EPOLLIN);
            }
            send(fd, buffer, size, 0);
        }
    }
    return done;
}

int main(int count, char **words) {
    if (count != 6) {
        fprintf(stderr, "usage: load echo|bulk|churn|idle PORT CONNECTIONS SECONDS SIZE\n");
        return 2;
    }
    port = atoi(words[2]);
    size = atoi(words[5]);
    if (!strcmp(words[1], "idle")) {
        for (int i = 0; i < atoi(words[3]); i++) dial();
        printf("%s\n", words[3]);
        fflush(stdout);
        return getchar() == EOF ? 0 : 1;
    }
    printf("%lld\n", run(words[1], atoi(words[3]), atof(words[4])));
    return 0;
}
