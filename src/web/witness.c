#include "web/witness.h"

#include <sodium.h>
#include <string.h>

void witness_expect(struct witness *witness, int64_t now_ms, char nonce[WITNESS_NONCE_SIZE])
{
    struct expected *expected = &witness->expected[witness->next++ % WITNESS_MOST];
    uint8_t random[(WITNESS_NONCE_SIZE - 1) / 2];
    *expected = (struct expected){.until_ms = now_ms + WITNESS_MS};
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(expected->nonce, sizeof expected->nonce, random, sizeof random);
    memcpy(nonce, expected->nonce, WITNESS_NONCE_SIZE);
}

static struct expected *find(struct witness *witness, const char *nonce, int64_t now_ms)
{
    if (strlen(nonce) != WITNESS_NONCE_SIZE - 1)
        return NULL;
    for (size_t i = 0; i < WITNESS_MOST; i++) {
        struct expected *expected = &witness->expected[i];
        if (expected->nonce[0] && now_ms < expected->until_ms &&
            sodium_memcmp(expected->nonce, nonce, WITNESS_NONCE_SIZE) == 0)
            return expected;
    }
    return NULL;
}

/* Only the first request that has it: whoever overhears it changes nothing. */
void witness_look(struct witness *witness, const struct proxies *proxies,
                  const struct request *request, bool lacks_tls, int64_t now_ms)
{
    const char *nonce = request_header(request, WITNESS_HEADER);
    struct expected *expected = nonce ? find(witness, nonce, now_ms) : NULL;
    if (!expected || expected->seen)
        return;
    expected->seen = true;
    struct sighting *sighting = &expected->sighting;
    struct public_url found;
    public_url_find(&found, proxies, NULL, request);
    sighting->at_root = request_is_at(request, "");
    sighting->is_tls = request->is_tls;
    sighting->lacks_tls = lacks_tls;
    sighting->is_forwarded = proxies_forwarded(request);
    sighting->is_trusted = proxies_trust(proxies, &request->peer);
    sighting->names_client = proxies_name_client(request);
    proxies_scheme(request, sighting->scheme);
    memcpy(sighting->host, found.host, sizeof sighting->host);
    memcpy(sighting->peer, found.peer, sizeof sighting->peer);
    public_url_fini(&found);
}

json_t *witness_tell(struct witness *witness, const char *nonce, int64_t now_ms)
{
    struct expected *expected = find(witness, nonce, now_ms);
    if (!expected || !expected->seen)
        return json_pack("{s:b}", "seen", 0);
    const struct sighting *sighting = &expected->sighting;
    json_t *told = json_pack("{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:s, s:s}", "seen", 1,
                             "at_root", sighting->at_root, "tls", sighting->is_tls, "lacks_tls",
                             sighting->lacks_tls, "forwarded", sighting->is_forwarded, "trusted",
                             sighting->is_trusted, "names_client", sighting->names_client, "host",
                             sighting->host, "scheme", sighting->scheme, "peer", sighting->peer);
    *expected = (struct expected){0};
    return told;
}
