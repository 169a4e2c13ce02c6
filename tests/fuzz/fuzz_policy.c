/* An endpoint, an entry of push.allowed_endpoints and one of push.denied, each by its text. The
 * first byte chooses the policy; the rest is the text. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "push/policy.h"

enum { POLICIES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy *new_policy(const char *allowed, const char *denied, struct err *err)
{
    char *allow = mem_text(allowed), *deny = mem_text(denied);
    struct config config = {.push_allowed_endpoints = {.items = &allow, .count = allow != NULL},
                            .push_denied = {.items = &deny, .count = deny != NULL}};
    struct policy *policy = policy_new(&config, err);
    free(allow);
    free(deny);
    return policy;
}

static const struct policy *chosen_policy(unsigned which)
{
    static struct policy *policies[POLICIES];
    if (!policies[0]) {
        policies[0] = new_policy("*", NULL, NULL);
        policies[1] = new_policy("https://ntfy.lan", NULL, NULL);
        policies[2] = new_policy("http://10.0.0.1:8080/push", "10.9.0.0/16", NULL);
        policies[3] = new_policy("*", "evil.example", NULL);
    }
    return policies[which % POLICIES];
}

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_sentence(const struct err *err)
{
    expect(err->text[0] != '\0');
    for (const char *c = err->text; *c; c++)
        expect(*c >= ' ' && *c < 0x7f);
}

/* Under "*" a loopback address is never reached, whatever the endpoint's text looks like. */
static void expect_public(const struct policy *policy, const char *text)
{
    struct url url;
    struct address loopback;
    expect(strncasecmp(text, "https://", 8) == 0 && strlen(text) <= URL_MAX);
    expect(url_parse(&url, text, NULL) == 0);
    expect(!policy_is_listed(policy, &url));
    expect(address_parse(&loopback, "127.0.0.1", url.port) == 0);
    expect(policy_check_address(policy, &url, false, &loopback, NULL) == ERR_REFUSED);
    struct address numeric;
    if (url.is_address && address_parse(&numeric, url.host, url.port) == 0)
        expect(address_classify(&numeric, NULL) == ADDRESS_PUBLIC);
    url_fini(&url);
}

static void try_as_setting(const char *allowed, const char *denied)
{
    struct err err = {0};
    struct policy *policy = new_policy(allowed, denied, &err);
    if (policy)
        policy_check_endpoint(policy, "https://ntfy.lan/x", false, NULL);
    else
        expect_sentence(&err);
    policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0 || size == 0)
        return 0;
    unsigned which = data[0] % (POLICIES + 2);
    char *text = mem_copy((const char *)data + 1, size - 1);
    if (which == POLICIES) {
        try_as_setting(text, NULL);
    } else if (which == POLICIES + 1) {
        try_as_setting("*", text);
    } else {
        struct err err = {0};
        const struct policy *policy = chosen_policy(which);
        if (policy_check_endpoint(policy, text, false, &err) != 0)
            expect_sentence(&err);
        else if (which == 0 || which == 3)
            expect_public(policy, text);
    }
    free(text);
    return 0;
}
