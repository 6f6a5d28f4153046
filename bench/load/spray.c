/*
 * An open loop: sends one query to ADDRESS:PORT again and again, RATE a second (0 = as fast as the core can), from each of the FROM
 * addresses in turn, and reads nothing. Whoever it is sent to may answer or not.
 *
 *   spray ADDRESS PORT SECONDS RATE FROM...
 *
 * Prints how many were sent as one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 32
#define MOST 64

static const unsigned char query[] = "\0\1\1\0\0\1\0\0\0\0\0\0\3www\3lab\7example\0\0\1\0\1";

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc < 6) {
    fprintf(stderr, "usage: spray ADDRESS PORT SECONDS RATE FROM...\n");
    return 2;
  }
  struct sockaddr_in to = {0}, from = {0};
  to.sin_family = from.sin_family = AF_INET;
  to.sin_addr.s_addr = inet_addr(argv[1]);
  to.sin_port = htons((unsigned short)atoi(argv[2]));
  double seconds = atof(argv[3]), rate = atof(argv[4]);
  int sockets[MOST], count = 0;
  for (int i = 5; i < argc && count < MOST; i++) {
    int size = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);
    from.sin_addr.s_addr = inet_addr(argv[i]);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
      perror(argv[i]);
      return 1;
    }
    sockets[count++] = fd;
  }
  struct iovec vector = {(void *)query, sizeof query - 1};
  struct mmsghdr messages[BATCH];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < BATCH; i++) {
    messages[i].msg_hdr.msg_iov = &vector;
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  unsigned long long sent = 0;
  double begin = now(), t = begin;
  for (int turn = 0; (t = now()) < begin + seconds; turn = (turn + 1) % count) {
    if (rate > 0 && (double)sent > (t - begin) * rate) {
      struct timespec pause = {0, 50000};
      nanosleep(&pause, NULL);
      continue;
    }
    int done = sendmmsg(sockets[turn], messages, BATCH, 0);
    if (done > 0) sent += (unsigned)done;
  }
  printf("{\"sent\":%llu,\"seconds\":%.6f}\n", sent, now() - begin);
  return 0;
}
