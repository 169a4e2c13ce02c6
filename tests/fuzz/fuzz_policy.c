/* An endpoint, as it comes and in its normal spelling, an entry of push.allowed_endpoints, in our
 * way and in MollySocket's, and one of push.denied, each by its text. The first byte chooses the
 * policy; the rest is the text. */
#include <ctype.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/url_normal.h"
#include "push/basic.h"
#include "push/policy.h"

enum { POLICIES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy *new_policy(const char *allowed, const char *denied, bool exact,
                                 struct err *err)
{
    char *allow = mem_text(allowed), *deny = mem_text(denied);
    struct config config = {.push_exact_logins = exact,
                            .push_allowed_endpoints = {.items = &allow, .count = allow != NULL},
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
        policies[0] = new_policy("*", NULL, false, NULL);
        policies[1] = new_policy("https://user:pw@ntfy.lan", NULL, true, NULL);
        policies[2] = new_policy("http://10.0.0.1:8080/push", "10.9.0.0/16", false, NULL);
        policies[3] = new_policy("*", "evil.example", false, NULL);
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

static void try_as_setting(const char *allowed, const char *denied, bool exact)
{
    struct err err = {0};
    struct policy *policy = new_policy(allowed, denied, exact, &err);
    if (policy)
        policy_check_endpoint(policy, "https://ntfy.lan/x", false, NULL);
    else
        expect_sentence(&err);
    policy_free(policy);
}

/* With its scheme in capitals it is read by curl's parser, else it may be read by ours (url.c). */
static void expect_one_reading(const char *text)
{
    struct url url, again;
    char *capital = mem_text(text);
    for (char *c = capital; *c && *c != ':'; c++)
        *c = (char)toupper((unsigned char)*c);
    int result = url_parse(&url, text, NULL);
    expect(url_parse(&again, capital, NULL) == result);
    if (result == 0) {
        expect(strcmp(url.scheme, again.scheme) == 0 && strcmp(url.host, again.host) == 0);
        expect(url.port == again.port && strcmp(url.target, again.target) == 0);
        expect(url.is_address == again.is_address && url.is_ipv6 == again.is_ipv6);
        expect(text_same(url.userinfo, again.userinfo));
        expect(url.has_fragment == again.has_fragment);
        url_fini(&url);
        url_fini(&again);
    }
    free(capital);
}

static void try_as_endpoint(unsigned which, const char *text)
{
    struct err err = {0};
    const struct policy *policy = chosen_policy(which);
    expect_one_reading(text);
    if (policy_check_endpoint(policy, text, false, &err) != 0)
        expect_sentence(&err);
    else if (which == 0 || which == 3)
        expect_public(policy, text);
}

static void expect_login(const struct url *url)
{
    char header[BASIC_HEADER_SIZE];
    expect(basic_header(url, header) == (url->userinfo != NULL));
    if (url->userinfo)
        expect(strncmp(header, "Basic ", 6) == 0 && text_is_token(header + 6, strlen(header + 6)));
    basic_is_named(url, "user:pw", 7);
}

/* It stays what it is, and what stands in it where is plain to whoever reads it. */
static void expect_normal(const char *normal)
{
    struct url url;
    char origin[URL_ORIGIN_SIZE];
    char *again = url_normal(normal, NULL);
    expect(again && strcmp(again, normal) == 0);
    expect(strlen(normal) <= URL_MAX && text_is_token(normal, strlen(normal)));
    expect(!strchr(normal, '#') && url_parse(&url, normal, NULL) == 0 && !url.has_fragment);
    url_origin(&url, origin);
    expect(!strchr(origin, '@'));
    size_t length = strlen(normal) - strlen(url.target);
    expect(strcmp(normal + length, url.target) == 0);
    expect((memchr(normal, '@', length) != NULL) == (url.userinfo != NULL));
    expect(url.has_userinfo == (url.userinfo != NULL));
    expect_login(&url);
    url_fini(&url);
    mem_free_secret(again);
}

static void try_normal(unsigned which, const char *text)
{
    struct err err = {0};
    char *normal = url_normal(text, &err);
    if (normal) {
        expect_normal(normal);
        try_as_endpoint(which, normal);
    } else {
        expect_sentence(&err);
    }
    mem_free_secret(normal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sodium_init() < 0 || size == 0)
        return 0;
    unsigned which = data[0] % (POLICIES + 3);
    char *text = mem_copy((const char *)data + 1, size - 1);
    if (which == POLICIES) {
        try_as_setting(text, NULL, false);
    } else if (which == POLICIES + 1) {
        try_as_setting("*", text, false);
    } else if (which == POLICIES + 2) {
        try_as_setting(text, NULL, true);
    } else {
        try_as_endpoint(which, text);
        try_normal(which, text);
    }
    free(text);
    return 0;
}
