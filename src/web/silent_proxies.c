#include "web/silent_proxies.h"

#include <string.h>

#include "base/log.h"
#include "web/proxy_headers.h"
#include "web/told_host.h"

static bool take_host(char host[TOLD_HOST_SIZE], const struct request *request)
{
    const char *header = request_header(request, "Host");
    char item[PROXY_VALUE_SIZE];
    return header && proxies_take_item(item, header, strlen(header)) && told_host_take(host, item);
}

/* nginx speaks HTTP/1.0 if nobody tells it otherwise, which no monitoring does; and a name that is
 * known outside is asked for where proxies listen. */
static bool looks_handed_on(const struct request *request)
{
    char host[TOLD_HOST_SIZE];
    return request->is_http10 || !take_host(host, request) || !told_host_is_of_this_network(host);
}

/* Browsers say such things in requests by https only (W3C Fetch Metadata section 2), and to their
 * own machine. */
static bool browser_had_https(const struct request *request)
{
    char host[TOLD_HOST_SIZE];
    return request_header(request, "Sec-Fetch-Site") && take_host(host, request) &&
           !told_host_is_of_this_machine(host);
}

static bool has(const struct silent_proxies *silent, const struct address *peer)
{
    if (silent->count == SILENT_PROXIES_MOST)
        return true;
    for (size_t i = 0; i < silent->count; i++)
        if (address_same_host(&silent->peers[i], peer))
            return true;
    return false;
}

static void add(struct silent_proxies *silent, const struct address *peer)
{
    char text[ADDRESS_TEXT_SIZE];
    address_format(text, peer);
    silent->peers[silent->count++] = *peer;
    log_info(
        "Requests from %s look handed on by a proxy that does not say so: nobody there is shown "
        "/metrics on the web port until a restart. A proxy says so with X-Forwarded-For.",
        text);
}

void silent_proxies_note(struct silent_proxies *silent, const struct request *request,
                         bool is_mollys)
{
    const struct address *peer = &request->peer;
    if (request->is_tls || !peer->length || address_classify(peer, NULL) != ADDRESS_PRIVATE)
        return;
    if (proxies_forwarded(request) || has(silent, peer))
        return;
    if (is_mollys || looks_handed_on(request) || browser_had_https(request))
        add(silent, peer);
}

bool silent_proxies_came_directly(const struct silent_proxies *silent,
                                  const struct request *request)
{
    return !proxies_forwarded(request) && !looks_handed_on(request) && !has(silent, &request->peer);
}
