#include "push/spelling.h"

#include <stdbool.h>
#include <stdio.h>

#include "push/allowance.h"

static const char *const schemes[] = {"https", "http"}, *const dots[] = {"", "."};

static void spell(struct url *url, const char *scheme, const char *host, const char *dot,
                  char name[URL_ORIGIN_SIZE])
{
    snprintf(url->scheme, sizeof url->scheme, "%s", scheme);
    snprintf(url->host, sizeof url->host, "%s%s", host, dot);
    url_origin(url, name);
}

const char *spelling_of_place(const struct url *url, const char *origin,
                              char names[SPELLINGS_MOST][URL_ORIGIN_SIZE])
{
    if (!allowance_public_host(url->host))
        return origin;
    spellings_of(url, names);
    return names[0];
}

size_t spellings_of(const struct url *url, char names[SPELLINGS_MOST][URL_ORIGIN_SIZE])
{
    const char *host = allowance_public_host(url->host);
    if (!host) {
        url_origin(url, names[0]);
        return 1;
    }
    struct url other = *url;
    size_t count = 0;
    bool usual_port = url->port == url_default_port(url->scheme);
    for (size_t i = 0; i < SPELLINGS_MOST; i++) {
        const char *scheme = schemes[i / 2];
        other.port = usual_port ? url_default_port(scheme) : url->port;
        spell(&other, scheme, host, dots[i % 2], names[count++]);
    }
    return count;
}
