/* What a proxy or a stranger says in headers. The first byte chooses who is trusted and who the
 * peer is, the first line is the request's target, each further line one header. */
#include <ctype.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "web/proxy_headers.h"
#include "web/public_url.h"
#include "web/silent_proxies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void choose(uint8_t which, struct proxies *proxies, struct request *request)
{
    static const char *const peers[] = {"", "127.0.0.1", "203.0.113.9", "2001:db8::1"};
    static char *const settings[] = {"auto", "none", "203.0.113.0/24", "2001:db8::/32"};
    char *item = settings[which >> 2 & 3];
    struct strings setting = {.items = &item, .count = 1};
    expect(proxies_parse(proxies, &setting, NULL) == 0);
    const char *peer = peers[which & 3];
    if (*peer)
        expect(address_parse(&request->peer, peer, 4711) == 0);
}

/* Cuts the text into lines in place; a line without a colon ends the headers. */
static void read_headers(struct request *request, char *text)
{
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest);
         line && request->header_count < REQUEST_HEADERS_MAX; line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strchr(line, ':');
        if (!colon)
            return;
        *colon = '\0';
        request->headers[request->header_count++] = (struct header){line, colon + 1};
    }
}

static void check_client(const struct proxies *proxies, const struct request *request)
{
    struct address client;
    proxies_client(proxies, request, &client);
    expect(client.length > 0); /* or it would be the operator */
    if (!proxies_trust(proxies, &request->peer))
        expect(address_same_host(&client, &request->peer));
}

static void check_url(const struct proxies *proxies, const struct request *request)
{
    struct public_url found;
    public_url_find(&found, proxies, NULL, request);
    expect(!found.url == (found.fault == URL_WITHOUT_NAME));
    if (found.url) {
        expect(text_starts(found.url, "https://"));
        expect(text_is_token(found.url, strlen(found.url)));
        expect(!strpbrk(found.url, "\"<>\\^`{|}#?"));
        expect(strlen(found.host) < TOLD_HOST_SIZE);
    }
    if (found.fault == URL_GOOD)
        expect((strchr(found.host, '.') || found.host[0] == '[') && !found.is_local &&
               (proxies_trust(proxies, &request->peer) || !proxies_forwarded(request)));
    public_url_fini(&found);
}

static void check_phone(const struct request *request)
{
    struct silent_proxies silent = {0};
    silent_proxies_note(&silent, request, true);
    if (request->peer.length && address_classify(&request->peer, NULL) == ADDRESS_PRIVATE)
        expect(!silent_proxies_came_directly(&silent, request));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0 || size == 0)
        return 0;
    struct proxies proxies;
    struct request request = {.method = "GET"};
    char *text = mem_copy((const char *)data + 1, size - 1);
    char *headers = text + strcspn(text, "\n");
    if (*headers)
        *headers++ = '\0';
    choose(data[0], &proxies, &request);
    request_set_target(&request, text);
    read_headers(&request, headers);
    check_client(&proxies, &request);
    check_url(&proxies, &request);
    check_phone(&request);
    expect(request_has_parameter(&request, "airgapped") <= (request.query != NULL));
    request_fini(&request);
    free(text);
    return 0;
}
