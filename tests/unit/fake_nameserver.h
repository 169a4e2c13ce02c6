/* A nameserver on the test's own loop: answers A and AAAA from a table, with a TTL of 0, counts
 * what it is asked, and is silent where it is told to be. */
#ifndef DOORBELL_TESTS_FAKE_NAMESERVER_H
#define DOORBELL_TESTS_FAKE_NAMESERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

enum { FAKE_ADDRESSES_MAX = 10, FAKE_NAMES_MAX = 512, FAKE_PACKET_MAX = 512 };
enum { FAKE_A = 1, FAKE_AAAA = 28 };
enum { FAKE_SERVFAIL = 2, FAKE_NXDOMAIN = 3 };

/* A name that ends in `name`; the table ends with a NULL. What is not in it does not exist. */
struct fake_name {
    const char *name;
    const char *a[FAKE_ADDRESSES_MAX], *aaaa[FAKE_ADDRESSES_MAX];
    int failure;
    bool silent, silent_aaaa;
};

struct fake_nameserver {
    uv_udp_t udp;
    struct fake_name *names;
    char address[32]; /* as net.nameservers wants it */
    unsigned asked_a, asked_aaaa;
    char seen[FAKE_NAMES_MAX][64]; /* every name, once */
    size_t seen_count;
    unsigned char packet[FAKE_PACKET_MAX];
};

/* The question's name with dots; returns the offset behind it. */
static inline size_t fake_read_name(const unsigned char *packet, size_t length, char name[256])
{
    size_t at = 12, used = 0;
    while (at < length && packet[at] && used + packet[at] + 1 < 256) {
        memcpy(name + used, packet + at + 1, packet[at]);
        used += packet[at];
        name[used++] = '.';
        at += packet[at] + 1u;
    }
    name[used ? used - 1 : 0] = '\0';
    return at + 1;
}

static inline struct fake_name *fake_find(struct fake_nameserver *server, const char *name)
{
    for (struct fake_name *at = server->names; at->name; at++) {
        size_t length = strlen(name), suffix = strlen(at->name);
        if (length >= suffix && strcasecmp(name + length - suffix, at->name) == 0)
            return at;
    }
    return NULL;
}

static inline void fake_note(struct fake_nameserver *server, const char *name, int type)
{
    server->asked_a += type == FAKE_A;
    server->asked_aaaa += type == FAKE_AAAA;
    for (size_t i = 0; i < server->seen_count; i++)
        if (strcasecmp(server->seen[i], name) == 0)
            return;
    if (server->seen_count < FAKE_NAMES_MAX)
        snprintf(server->seen[server->seen_count++], sizeof server->seen[0], "%.63s", name);
}

static inline bool fake_seen(const struct fake_nameserver *server, const char *name)
{
    for (size_t i = 0; i < server->seen_count; i++)
        if (strcasecmp(server->seen[i], name) == 0)
            return true;
    return false;
}

static inline size_t fake_answer(unsigned char *packet, size_t at, const struct fake_name *found,
                                 int type)
{
    const char *const *texts = type == FAKE_A ? found->a : found->aaaa;
    size_t size = type == FAKE_A ? 4 : 16;
    for (size_t i = 0; texts[i] && at + 12 + size <= FAKE_PACKET_MAX; i++) {
        const unsigned char head[] = {0xc0, 0x0c, 0, (unsigned char)type, 0, 1, 0, 0,
                                      0,    0,    0, (unsigned char)size};
        memcpy(packet + at, head, sizeof head);
        inet_pton(type == FAKE_A ? AF_INET : AF_INET6, texts[i], packet + at + sizeof head);
        at += sizeof head + size;
        packet[7]++;
    }
    return at;
}

static inline void fake_on_question(uv_udp_t *udp, ssize_t length, const uv_buf_t *buf,
                                    const struct sockaddr *peer, unsigned flags)
{
    struct fake_nameserver *server = udp->data;
    unsigned char *packet = server->packet;
    char name[256];
    (void)buf;
    (void)flags;
    if (!peer || length < 17)
        return;
    size_t at = fake_read_name(packet, (size_t)length, name);
    int type = packet[at + 1];
    at += 4;
    fake_note(server, name, type);
    const struct fake_name *found = fake_find(server, name);
    if (found && (found->silent || (found->silent_aaaa && type == FAKE_AAAA)))
        return;
    int code = found ? found->failure : FAKE_NXDOMAIN;
    packet[2] = 0x81; /* an answer, recursion desired */
    packet[3] = (unsigned char)(0x80 | code);
    memset(packet + 6, 0, 6);
    if (found && !code)
        at = fake_answer(packet, at, found, type);
    uv_buf_t answer = uv_buf_init((char *)packet, (unsigned)at);
    uv_udp_try_send(udp, &answer, 1, peer);
}

static inline void fake_give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct fake_nameserver *server = handle->data;
    (void)suggested;
    *buf = uv_buf_init((char *)server->packet, sizeof server->packet);
}

static inline void fake_nameserver_start(struct fake_nameserver *server, uv_loop_t *loop,
                                         struct fake_name *names)
{
    struct sockaddr_in here;
    int length = sizeof here;
    memset(server, 0, sizeof *server);
    server->names = names;
    uv_ip4_addr("127.0.0.1", 0, &here);
    uv_udp_init(loop, &server->udp);
    server->udp.data = server;
    uv_udp_bind(&server->udp, (const struct sockaddr *)&here, 0);
    uv_udp_getsockname(&server->udp, (struct sockaddr *)&here, &length);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(here.sin_port));
    uv_udp_recv_start(&server->udp, fake_give_room, fake_on_question);
}

static inline void fake_nameserver_stop(struct fake_nameserver *server)
{
    uv_close((uv_handle_t *)&server->udp, NULL);
}

#endif
