/* The load and the sink for the measurements of UDP, in processes of their own. Only loopback.
 *
 *   udp_load flood PORT SECONDS SIZE SEGMENTS  sends to the port, SEGMENTS datagrams a system call
 *                                              (1: sendto, more: UDP_SEGMENT); asks the receiver how
 *                                              many came ("?") and prints that
 *   udp_load sink PORTS                        binds that many ports, prints them, reads and
 *                                              drops until it is killed
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH 64

static char buffer[1 << 16];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static long long ask(int fd) {
    char answer[32];
    for (int tries = 0; tries < 100; tries++) {
        struct pollfd ready = {fd, POLLIN, 0};
        send(fd, "?", 1, 0);
        if (poll(&ready, 1, 100) == 1) {
            ssize_t n = recv(fd, answer, sizeof answer - 1, MSG_DONTWAIT);
            if (n > 0) {
                answer[n] = 0;
                return atoll(answer);
            }
        }
    }
    fprintf(stderr, "the receiver does not answer\n");
    exit(1);
}

static int flood(int port, double seconds, int size, int segments) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("connect");
    ask(fd);
    if (segments > 1 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) < 0)
        fail("UDP_SEGMENT");
    for (double end = now() + seconds; now() < end;)
        for (int i = 0; i < 16; i++)
            if (send(fd, buffer, (size_t)size * segments, 0) < 0)
                fail("send");
    printf("%lld\n", ask(fd));
    return 0;
}

static int sink(int ports) {
    static struct mmsghdr messages[BATCH];
    static struct iovec vector = {buffer, sizeof buffer};
    struct epoll_event events[64];
    int poller = epoll_create1(0);
    for (int i = 0; i < ports; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET};
        socklen_t length = sizeof at;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
            fail("bind");
        getsockname(fd, (struct sockaddr *)&at, &length);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
        printf("%d\n", ntohs(at.sin_port));
    }
    fflush(stdout);
    for (int i = 0; i < BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &vector;
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (;;) {
        int n = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < n; i++)
            recvmmsg(events[i].data.fd, messages, BATCH, MSG_DONTWAIT, NULL);
    }
}

int main(int count, char **arguments) {
    if (count == 6 && !strcmp(arguments[1], "flood"))
        return flood(atoi(arguments[2]), atof(arguments[3]), atoi(arguments[4]), atoi(arguments[5]));
    if (count == 3 && !strcmp(arguments[1], "sink"))
        return sink(atoi(arguments[2]));
    fprintf(stderr, "usage: see the top of the source\n");
    return 2;
}
