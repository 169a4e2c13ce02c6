#include "web/same_origin.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

static const char *authority_of(const char *url, size_t *length)
{
    const char *mark = strstr(url, "://");
    const char *authority = mark ? mark + strlen("://") : "";
    *length = strcspn(authority, "/?#");
    return authority;
}

/* Without TLS here, the browser may have come by https to a proxy. */
static bool is_of_host(const char *origin, const struct request *request)
{
    const char *host = request_header(request, "Host");
    size_t length;
    const char *authority = authority_of(origin, &length);
    return host && length && length == strlen(host) && strncasecmp(authority, host, length) == 0 &&
           (!request->is_tls || text_starts(origin, "https://"));
}

static bool is_of_url(const char *origin, const char *url)
{
    size_t length;
    const char *authority = authority_of(url, &length);
    size_t whole = (size_t)(authority - url) + length;
    return length && strlen(origin) == whole && strncasecmp(origin, url, whole) == 0;
}

bool same_origin(const struct request *request, const char *public_url)
{
    const char *origin = request_header(request, "Origin");
    const char *site = request_header(request, "Sec-Fetch-Site");
    if (!origin || request_count_header(request, "Origin") > 1)
        return false;
    if (site)
        return strcmp(site, "same-origin") == 0;
    return is_of_host(origin, request) || (public_url && is_of_url(origin, public_url));
}

bool same_origin_is_https(const struct request *request)
{
    const char *origin = request_header(request, "Origin");
    return request->is_tls || (origin && text_starts(origin, "https://"));
}
