/*
 * The limit: a program that does nothing with a DNS query but send it back with the QR bit set.
 *
 * It receives up to BATCH datagrams with one recvmmsg, flips one bit in each, and returns them with one sendmmsg. What
 * it costs is the kernel's share of answering a query, which no server on the same sockets can go below; the bench gives
 * every server's cost as a multiple of it. Prints one line on standard output when it is ready.
 *
 *   echo PORT [ADDRESS]     listens on ADDRESS:PORT (default 127.0.0.1), UDP, until SIGTERM
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BATCH 64
#define PACKET_BYTES 1500
#define RECEIVE_BUFFER_BYTES (4 << 20)

static unsigned char packets[BATCH][PACKET_BYTES];
static struct sockaddr_in peers[BATCH];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

int main(int argc, char **argv) {
  if (argc != 2 && argc != 3) {
    fprintf(stderr, "usage: echo PORT [ADDRESS]\n");
    return 2;
  }
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  int size = RECEIVE_BUFFER_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  struct sockaddr_in local = {0};
  local.sin_family = AF_INET;
  local.sin_port = htons((unsigned short)atoi(argv[1]));
  local.sin_addr.s_addr = argc == 3 ? inet_addr(argv[2]) : htonl(INADDR_LOOPBACK);
  if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof local) != 0) {
    perror("echo: bind");
    return 1;
  }
  for (int i = 0; i < BATCH; i++) {
    vectors[i].iov_base = packets[i];
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    messages[i].msg_hdr.msg_name = &peers[i];
  }
  printf("ready\n");
  fflush(stdout);
  for (;;) {
    for (int i = 0; i < BATCH; i++) {
      vectors[i].iov_len = PACKET_BYTES;
      messages[i].msg_hdr.msg_namelen = sizeof peers[i];
    }
    /* Wait for the first datagram only, then take what is there. */
    int received = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (received < 0) {
      if (errno == EINTR) continue;
      perror("echo: recvmmsg");
      return 1;
    }
    for (int i = 0; i < received; i++) {
      vectors[i].iov_len = messages[i].msg_len;
      if (messages[i].msg_len > 2) packets[i][2] |= 0x80;
    }
    for (int sent = 0; sent < received;) {
      int done = sendmmsg(fd, messages + sent, (unsigned)(received - sent), 0);
      if (done > 0) sent += done;
      else if (errno != EINTR) sent++; /* e.g. ECONNREFUSED: the client has gone */
    }
  }
}
