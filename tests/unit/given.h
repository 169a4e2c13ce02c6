/* A request as the tables of tests write it, and who is trusted. */
#ifndef DOORBELL_TESTS_GIVEN_H
#define DOORBELL_TESTS_GIVEN_H

#include <string.h>

#include "unit.h"
#include "web/proxy_headers.h"

enum { HEADERS_MAX = 4 };

/* Who is at the other end ("" is a Unix socket), and headers. */
struct given {
    const char *trusted; /* items of web.trusted_proxies, separated by a space */
    const char *peer;
    struct header headers[HEADERS_MAX];
};

static inline void parse_trusted(struct proxies *proxies, const char *text)
{
    char items[8][64], *list[8];
    struct strings setting = {.items = list};
    while (*text) {
        size_t length = strcspn(text, " ");
        memcpy(items[setting.count], text, length);
        items[setting.count][length] = '\0';
        list[setting.count] = items[setting.count];
        setting.count++;
        text += length + (text[length] == ' ');
    }
    struct err err = {0};
    ck_assert_msg(proxies_parse(proxies, &setting, &err) == 0, "%s", err.text);
}

static inline void make_request(struct request *request, const struct given *given,
                                const char *target)
{
    memset(request, 0, sizeof *request);
    request->method = "GET";
    request_set_target(request, target);
    for (size_t i = 0; i < HEADERS_MAX && given->headers[i].name; i++)
        request->headers[request->header_count++] = given->headers[i];
    if (*given->peer)
        ck_assert_int_eq(address_parse(&request->peer, given->peer, 4711), 0);
}

#endif
