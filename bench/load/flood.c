/*
 * A load that saturates: dnsperf needs about 6 us of its core for a query, more than the fastest servers here, so it
 * cannot keep them busy. This one sends and receives in batches (sendmmsg, recvmmsg), and does nothing else: a closed
 * loop that keeps OUTSTANDING queries in flight over SOCKETS sockets, sending the names of a file again and again.
 *
 *   flood PORT FILE SECONDS OUTSTANDING [ADDRESS]      FILE: one `name type` a line, type A or AAAA
 *
 * A query is answered when a packet with its id comes back on its socket. Where nothing comes for 200 ms, what is in
 * flight is lost. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SOCKETS 8
#define BATCH 64
#define QUERY_BYTES 300
#define REPLY_BYTES 1500
#define SILENCE_MS 200

struct query {
  unsigned short length;
  unsigned char bytes[QUERY_BYTES];
};

static struct query *queries;
static size_t query_count, next_query;
static unsigned char replies[BATCH][REPLY_BYTES], packets[BATCH][QUERY_BYTES];
static struct iovec in_vectors[BATCH], out_vectors[BATCH];
static struct mmsghdr in[BATCH], out[BATCH];
/* One bit of state for each id of each socket: set while its answer is awaited. */
static unsigned char awaited[SOCKETS][65536];
static unsigned short next_id[SOCKETS];
static int in_flight[SOCKETS];
static struct pollfd sockets[SOCKETS];
static unsigned long long sent, completed, lost, rcodes[16];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Header with RD, one question (RFC 1035 section 4.1). Returns 0 where the line holds none. */
static unsigned short encode(unsigned char *at, char *line) {
  char *name = strtok(line, " \t\r\n"), *type = strtok(NULL, " \t\r\n");
  if (name == NULL || strlen(name) > 253) return 0;
  unsigned char *begin = at;
  memcpy(at, "\0\0\1\0\0\1\0\0\0\0\0\0", 12);
  at += 12;
  for (char *label = strtok(name, "."); label; label = strtok(NULL, ".")) {
    size_t size = strlen(label);
    if (size > 63) return 0;
    *at++ = (unsigned char)size;
    memcpy(at, label, size);
    at += size;
  }
  memcpy(at, "\0\0\1\0\1", 5);
  if (type && strcmp(type, "AAAA") == 0) at[2] = 28;
  return (unsigned short)(at + 5 - begin);
}

static void read_queries(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(path);
  char line[512];
  size_t room = 0;
  while (fgets(line, sizeof line, file)) {
    if (query_count == room) {
      room = room ? room * 2 : 1024;
      queries = realloc(queries, room * sizeof *queries);
      if (queries == NULL) fail("realloc");
    }
    queries[query_count].length = encode(queries[query_count].bytes, line);
    if (queries[query_count].length) query_count++;
  }
  fclose(file);
  if (query_count == 0) {
    fprintf(stderr, "%s holds no query\n", path);
    exit(1);
  }
}

/* Fill socket s up to `window` queries in flight. */
static void send_queries(int s, int window) {
  while (in_flight[s] < window) {
    int count = window - in_flight[s] < BATCH ? window - in_flight[s] : BATCH;
    for (int i = 0; i < count; i++) {
      struct query *query = &queries[next_query];
      next_query = next_query + 1 == query_count ? 0 : next_query + 1;
      unsigned short id = next_id[s]++;
      memcpy(packets[i], query->bytes, query->length);
      packets[i][0] = (unsigned char)(id >> 8);
      packets[i][1] = (unsigned char)id;
      awaited[s][id] = 1;
      out_vectors[i].iov_len = query->length;
    }
    for (int done = 0; done < count;) {
      int result = sendmmsg(sockets[s].fd, out + done, (unsigned)(count - done), 0);
      if (result > 0) done += result;
      else if (errno != EINTR && errno != EAGAIN) fail("sendmmsg");
    }
    in_flight[s] += count;
    sent += (unsigned)count;
  }
}

static void receive_replies(int s) {
  int count = recvmmsg(sockets[s].fd, in, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) {
    unsigned char *reply = replies[i];
    unsigned short id = (unsigned short)(reply[0] << 8 | reply[1]);
    if (in[i].msg_len < 12 || !(reply[2] & 0x80) || !awaited[s][id]) continue;
    awaited[s][id] = 0;
    in_flight[s]--;
    completed++;
    rcodes[reply[3] & 15]++;
  }
}

static void give_up(void) {
  for (int s = 0; s < SOCKETS; s++) {
    lost += (unsigned)in_flight[s];
    in_flight[s] = 0;
    memset(awaited[s], 0, sizeof awaited[s]);
  }
}

int main(int argc, char **argv) {
  if (argc != 5 && argc != 6) {
    fprintf(stderr, "usage: flood PORT FILE SECONDS OUTSTANDING [ADDRESS]\n");
    return 2;
  }
  read_queries(argv[2]);
  double seconds = atof(argv[3]);
  int window = atoi(argv[4]) / SOCKETS;
  struct sockaddr_in server = {0};
  server.sin_family = AF_INET;
  server.sin_port = htons((unsigned short)atoi(argv[1]));
  server.sin_addr.s_addr = argc == 6 ? inet_addr(argv[5]) : htonl(INADDR_LOOPBACK);
  for (int s = 0; s < SOCKETS; s++) {
    int size = 4 << 20;
    sockets[s].fd = socket(AF_INET, SOCK_DGRAM, 0);
    sockets[s].events = POLLIN;
    setsockopt(sockets[s].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (connect(sockets[s].fd, (struct sockaddr *)&server, sizeof server) != 0) fail("connect");
  }
  for (int i = 0; i < BATCH; i++) {
    in_vectors[i].iov_base = replies[i];
    in_vectors[i].iov_len = REPLY_BYTES;
    in[i].msg_hdr.msg_iov = &in_vectors[i];
    in[i].msg_hdr.msg_iovlen = 1;
    out_vectors[i].iov_base = packets[i];
    out[i].msg_hdr.msg_iov = &out_vectors[i];
    out[i].msg_hdr.msg_iovlen = 1;
  }
  double begin = now(), end = begin + seconds;
  for (int s = 0; s < SOCKETS; s++) send_queries(s, window);
  /* After the time is up, what is in flight may still come. */
  for (int flying = 1; flying;) {
    int ready = poll(sockets, SOCKETS, SILENCE_MS);
    if (ready < 0 && errno != EINTR) fail("poll");
    if (ready == 0) give_up();
    int sending = now() < end;
    flying = 0;
    for (int s = 0; s < SOCKETS; s++) {
      if (ready > 0 && sockets[s].revents) receive_replies(s);
      if (sending) send_queries(s, window);
      flying |= in_flight[s] > 0;
    }
  }
  double took = now() - begin;
  printf("{\"sent\":%llu,\"completed\":%llu,\"lost\":%llu,\"seconds\":%.6f,\"rcodes\":[", sent, completed, lost, took);
  for (int i = 0; i < 16; i++) printf(i ? ",%llu" : "%llu", rcodes[i]);
  printf("]}\n");
  return 0;
}
