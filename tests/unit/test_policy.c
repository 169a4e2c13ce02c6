#include "push/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "unit.h"

/* Public by number, and nobody's neighbour. */
#define PUBLIC_V4 "9.9.9.9"
#define PUBLIC_V6 "2620:fe::fe"

/* Lists end with NULL. */
static struct policy *policy_of(const char *const *allowed, const char *const *denied,
                                struct err *err)
{
    char *allowed_items[64], *denied_items[64];
    struct config config = {.push_allowed_endpoints = {.items = allowed_items},
                            .push_denied = {.items = denied_items}};
    for (size_t i = 0; allowed && allowed[i]; i++)
        allowed_items[config.push_allowed_endpoints.count++] = mem_text(allowed[i]);
    for (size_t i = 0; denied && denied[i]; i++)
        denied_items[config.push_denied.count++] = mem_text(denied[i]);
    struct policy *policy = policy_new(&config, err);
    for (size_t i = 0; i < config.push_allowed_endpoints.count; i++)
        free(allowed_items[i]);
    for (size_t i = 0; i < config.push_denied.count; i++)
        free(denied_items[i]);
    return policy;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct policy *allowing(const char *const *allowed)
{
    struct err err = {0};
    struct policy *policy = policy_of(allowed, NULL, &err);
    ck_assert_msg(policy != NULL, "%s", err.text);
    return policy;
}

static void check_allowed(const struct policy *policy, const char *endpoint)
{
    struct err err = {0};
    ck_assert_msg(policy_check_endpoint(policy, endpoint, false, &err) == 0, "%s: %s", endpoint,
                  err.text);
}

/* The sentence holds all of `said`, and nothing that came after the host. */
static void check_not_allowed(const struct policy *policy, const char *endpoint, int code,
                              const char *said)
{
    struct err err = {0};
    int result = policy_check_endpoint(policy, endpoint, false, &err);
    ck_assert_msg(result == code && err.code == code, "%s: %d %s", endpoint, result, err.text);
    ck_assert_msg(strstr(err.text, said) != NULL, "%s: %s", endpoint, err.text);
    ck_assert_msg(!strstr(err.text, "SECRET"), "%s", err.text);
}

static int check_at(const struct policy *policy, const char *endpoint, const char *at,
                    struct err *err)
{
    struct url url;
    struct address address;
    ck_assert_int_eq(url_parse(&url, endpoint, NULL), 0);
    ck_assert_int_eq(address_parse(&address, at, url.port), 0);
    int result = policy_check_address(policy, &url, false, &address, err);
    url_fini(&url);
    return result;
}

START_TEST(a_star_means_https_to_public_hosts_on_443_or_high_ports)
{
    static const char *const good[] = {
        "https://ntfy.sh/upSECRET?up=1",   "https://NTFY.sh:443/upSECRET",
        "https://push.example.org:8443/x", "https://push.example.org:1024/x",
        "https://push.example.org:65535",  "https://push.example.org./x",
        "https://xn--bcher-kva.example/x", "https://under_score.example/x",
        "https://" PUBLIC_V4 "/x",         "https://[" PUBLIC_V6 "]:4443/x",
        "https://a.localhost.example/x",   "https://onion.example/x",
        "https://1.2.3.4.example/x",       "https://push.example.org/a/../b;c=%2e%2f\\",
    };
    struct policy *policy = allowing(LIST("*"));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_allowed(policy, good[i]);
    policy_free(policy);
}
END_TEST

START_TEST(what_a_star_does_not_cover_is_told_with_the_entry_to_add)
{
    static const struct {
        const char *endpoint, *said;
    } wrong[] = {
        {"http://ntfy.sh/SECRET", "add \"http://ntfy.sh\" to push.allowed_endpoints"},
        {"http://ntfy.sh:443/SECRET", "add \"http://ntfy.sh:443\" to"},
        {"https://ntfy.sh:80/SECRET", "add \"https://ntfy.sh:80\" to"},
        {"https://ntfy.sh:22/SECRET", "port"},
        {"https://ntfy.sh:1023/SECRET", "port"},
        {"https://localhost/SECRET", "add \"https://localhost\" to"},
        {"https://LOCALHOST./SECRET", "local network"},
        {"https://a.localhost/SECRET", "local network"},
        {"https://ntfy/SECRET", "ntfy is a name of the local network; to allow it add"},
        {"https://ntfy./SECRET", "local network"},
        {"https://printer.local/SECRET", "local network"},
        {"https://metadata.google.internal/SECRET", "local network"},
        {"https://nas.home.arpa/SECRET", "local network"},
        {"https://nas.HOME.ARPA./SECRET", "local network"},
        {"https://127.0.0.1/SECRET",
         "127.0.0.1 is a private address; to allow it add \"https://127.0.0.1\" to "
         "push.allowed_endpoints"},
        {"https://10.1.2.3:8443/SECRET", "add \"https://10.1.2.3:8443\" to"},
        {"https://192.168.0.1/SECRET", "private address"},
        {"https://169.254.169.254/SECRET", "private address"},
        {"https://100.64.0.1/SECRET",
         "100.64.0.1 is a private address (of Tailscale or the like); to allow it add "
         "\"https://100.64.0.1\" to push.allowed_endpoints"},
        {"https://[::1]/SECRET", "add \"https://[::1]\" to"},
        {"https://[::ffff:127.0.0.1]/SECRET", "private address"},
        {"https://[::ffff:7f00:1]/SECRET", "private address"},
        {"https://[64:ff9b::10.0.0.1]/SECRET", "private address"},
        {"https://[fd00::1]/SECRET",
         "is a private address; to allow it add \"https://[fd00::1]\" to"},
        {"https://[fd7a:115c:a1e0::1]:8443/SECRET",
         "(of Tailscale or the like); to allow it add \"https://[fd7a:115c:a1e0::1]:8443\" to"},
        {"https://[fe80::1]/SECRET", "private address"},
        {"https://0.0.0.0/SECRET", "no setting allows it"},
        {"https://224.0.0.1/SECRET", "no setting allows it"},
        {"https://240.0.0.1/SECRET", "no setting allows it"},
        {"https://[::]/SECRET", "no setting allows it"},
        {"https://[2002:7f00:1::]/SECRET", "no setting allows it"},
        {"https://[2001:db8::1]/SECRET", "no setting allows it"},
        {"https://abc.onion/SECRET", "Tor proxy, which is not supported yet"},
    };
    struct policy *policy = allowing(LIST("*"));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_not_allowed(policy, wrong[i].endpoint, ERR_REFUSED, wrong[i].said);
    policy_free(policy);
}
END_TEST

/* What MollySocket rang goes on under its list. */
START_TEST(under_mollysockets_star_what_accepted_a_push_needs_neither_tls_nor_a_usual_port)
{
    static const char *const kept[] = {"http://" PUBLIC_V4 "/SECRET", "https://ntfy.example:81/x",
                                       "http://ntfy.example/SECRET"};
    static const char *const never[] = {"http://192.168.1.5/x", "http://localhost/x",
                                        "http://127.0.0.1:8080/x", "http://ntfy.example:6379/x"};
    char star[] = "*", entry[] = "https://other.example", *items[] = {star, entry};
    struct config config = {.push_allowed_endpoints = {.items = items, .count = 2}};
    for (int theirs = 0; theirs < 2; theirs++) {
        config.push_keeps_proven = theirs;
        struct policy *policy = policy_new(&config, NULL);
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            check_not_allowed(policy, kept[i], ERR_REFUSED, "\"*\" does not cover");
            bool is_allowed = policy_check_endpoint(policy, kept[i], true, NULL) == 0;
            ck_assert_msg(is_allowed == theirs, "%s", kept[i]);
        }
        for (size_t i = 0; i < sizeof never / sizeof *never; i++)
            ck_assert_msg(policy_check_endpoint(policy, never[i], true, NULL) != 0, "%s", never[i]);
        policy_free(policy);
    }
    items[0] = entry; /* without the star */
    config.push_allowed_endpoints.count = 1;
    struct policy *policy = policy_new(&config, NULL);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        ck_assert_int_eq(policy_check_endpoint(policy, kept[i], true, NULL), ERR_REFUSED);
    struct url url;
    struct address address;
    ck_assert_int_eq(url_parse(&url, "http://ntfy.example/x", NULL), 0);
    ck_assert_int_eq(address_parse(&address, PUBLIC_V4, 80), 0);
    items[0] = star;
    policy_free(policy);
    policy = policy_new(&config, NULL);
    ck_assert_int_eq(policy_check_address(policy, &url, true, &address, NULL), 0);
    ck_assert_int_eq(policy_check_address(policy, &url, false, &address, NULL), ERR_REFUSED);
    ck_assert_int_eq(address_parse(&address, "192.168.1.5", 80), 0);
    ck_assert_int_eq(policy_check_address(policy, &url, true, &address, NULL), ERR_REFUSED);
    url_fini(&url);
    policy_free(policy);
}
END_TEST

START_TEST(nothing_new_is_allowed_where_only_what_is_registered_is)
{
    struct policy *policy = allowing(LIST("registered"));
    static const char *const public[] = {"https://" PUBLIC_V4 "/SECRET", "https://ntfy.example/x"};
    for (size_t i = 0; i < sizeof public / sizeof *public; i++) {
        check_not_allowed(policy, public[i], ERR_REFUSED, "is not listed");
        ck_assert_int_eq(policy_check_endpoint(policy, public[i], true, NULL), 0);
    }
    ck_assert_int_eq(policy_check_endpoint(policy, "https://192.168.1.5/x", true, NULL),
                     ERR_REFUSED);
    policy_free(policy);
}
END_TEST

START_TEST(a_star_does_not_cover_ports_of_other_services)
{
    static const int ports[] = {1433, 1521, 2049, 3306, 3389,  3659,  4045, 5060,
                                5061, 5432, 6000, 6379, 6566,  6665,  6666, 6667,
                                6668, 6669, 6697, 9200, 10080, 11211, 27017};
    struct policy *star = allowing(LIST("*"));
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        char endpoint[80], entry[64];
        snprintf(entry, sizeof entry, "https://a.example:%d", ports[i]);
        snprintf(endpoint, sizeof endpoint, "%s/x", entry);
        check_not_allowed(star, endpoint, ERR_REFUSED, entry);
        struct policy *named = allowing(LIST(entry));
        check_allowed(named, endpoint);
        policy_free(named);
    }
    policy_free(star);
}
END_TEST

START_TEST(what_is_no_endpoint_is_refused_under_every_policy)
{
    static const struct {
        const char *endpoint, *said;
    } wrong[] = {
        {"", "https://"},
        {"ntfy.sh/SECRET", "https://"},
        {"ftp://ntfy.sh/SECRET", "https://"},
        {"file:///SECRET", "https://"},
        {"wss://ntfy.sh/SECRET", "https://"},
        {"https://", ""},
        {"https:///SECRET", ""},
        {"https:ntfy.sh/SECRET", ""},
        {"https://ntfy.sh/SECRET x", "spaces"},
        {"https://ntfy.sh/SECRET\r\nX: y", "characters"},
        {"https://ntfy.sh/SECRET\xc3\xa4", "characters"},
        {"https://ntfy.sh/SECRET#part", "#fragment"},
        {"https://ntfy.sh/SECRET#", "#fragment"},
        {"https://ntfy.sh\\@SECRET/x", "where its host name begins"},
        {"https://ntfy.sh\\SECRET/x", ""},
        {"https://SECRET@SECRET@ntfy.sh/x", ""},
        {"https://SECRET@127.1/x", "four decimal numbers"},
        {"https://SECRET@0x7f.1/x", ""},
        {"https://SECRET:SECRET@%6e%74fy.sh/x", "percent"},
        {"https://\xc3\xa4.example/SECRET", "xn-- form"},
        {"https://%6e%74fy.sh/SECRET", "percent"},
        {"https://ntfy.sh:0/SECRET", ""},
        {"https://ntfy.sh:65536/SECRET", ""},
        {"https://ntfy.sh:x/SECRET", ""},
        {"https://127.1/SECRET", "four decimal numbers"},
        {"https://1.1/SECRET", "four decimal numbers"},
        {"https://0x7f.1/SECRET", ""},
        {"https://0x7f000001/SECRET", ""},
        {"https://0177.0.0.1/SECRET", ""},
        {"https://2130706433/SECRET", ""},
        {"https://0/SECRET", ""},
        {"https://010.8.8.8/SECRET", ""},
        {"https://127.0.0.1./SECRET", ""},
        {"https://256.256.256.256/SECRET", "neither a name nor"},
        {"https://1.2.3.4.5/SECRET", "neither a name nor"},
        {"https://example.0x/SECRET", "neither a name nor"},
        {"https://example.0XfF/SECRET", "neither a name nor"},
        {"https://example.123/SECRET", "neither a name nor"},
        {"https://[fe80::1%25lo]/SECRET", ""},
        {"https://[::1/SECRET", ""},
        {"https://[v1.x]/SECRET", ""},
        {"https://a..example/SECRET", ""},
        {"https://.example/SECRET", ""},
        {"https://./SECRET", ""},
        {"https://a,b.example/SECRET", ""},
        {"https://a~b.example/SECRET", ""},
    };
    struct policy *policies[] = {allowing(LIST("*")), allowing(LIST("https://ntfy.sh", "*")),
                                 allowing(LIST("http://127.0.0.1"))};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++)
            check_not_allowed(policies[i], wrong[j].endpoint, ERR_INVALID, wrong[j].said);
        policy_free(policies[i]);
    }
}
END_TEST

START_TEST(an_endpoint_has_at_most_1000_bytes_and_a_host_253)
{
    char endpoint[1002] = "https://ntfy.sh/";
    struct policy *policy = allowing(LIST("*"));
    memset(endpoint + strlen(endpoint), 'x', 1000 - strlen(endpoint));
    check_allowed(policy, endpoint);
    endpoint[1000] = 'x';
    check_not_allowed(policy, endpoint, ERR_INVALID, "1000 bytes");

    char host[300] = "https://";
    for (int i = 0; i < 25; i++)
        strcat(host, "longlabel.");
    strcat(host, "abc/x"); /* 253 */
    check_allowed(policy, host);
    strcpy(strstr(host, "abc/x"), "abcd/x");
    check_not_allowed(policy, host, ERR_INVALID, "host name");
    memset(host + 8, 'l', 64);
    strcpy(host + 72, ".example/x");
    check_not_allowed(policy, host, ERR_INVALID, "host name");
    policy_free(policy);
}
END_TEST

START_TEST(a_sentence_about_the_longest_host_still_ends_with_what_to_do)
{
    char endpoint[300] = "https://";
    for (int i = 0; i < 25; i++)
        strcat(endpoint, "longlabel.");
    strcat(endpoint, "abc:1/x");
    struct policy *policy = allowing(LIST("*"));
    check_not_allowed(policy, endpoint, ERR_REFUSED, ".abc:1\" to push.allowed_endpoints");
    policy_free(policy);
}
END_TEST

START_TEST(an_entry_names_scheme_host_and_port_however_they_are_spelled)
{
    struct policy *policy =
        allowing(LIST("https://Ntfy.LAN/", "http://ntfy.lan:8080", "https://nas:443",
                      "http://[fd00:0::1]", "http://192.168.1.2:80/"));
    check_allowed(policy, "https://ntfy.lan/upSECRET");
    check_allowed(policy, "https://NTFY.lan.:443/up?up=1");
    check_allowed(policy, "https://ntfy.lan");
    check_allowed(policy, "http://ntfy.lan:8080/up");
    check_allowed(policy, "https://nas/up");
    check_allowed(policy, "http://[fd00::1]:80/up");
    check_allowed(policy, "http://[FD00::0:1]/up");
    check_allowed(policy, "http://192.168.1.2/up");
    check_allowed(policy, "https://ntfy.lan/a/../b");
    check_not_allowed(policy, "http://ntfy.lan/SECRET", ERR_REFUSED, "add \"http://ntfy.lan\"");
    check_not_allowed(policy, "https://ntfy.lan:8080/SECRET", ERR_REFUSED,
                      "ntfy.lan is not listed; to allow it add \"https://ntfy.lan:8080\" to "
                      "push.allowed_endpoints");
    check_not_allowed(policy, "https://a.ntfy.lan/SECRET", ERR_REFUSED, "not listed");
    check_not_allowed(policy, "https://lan/SECRET", ERR_REFUSED, "not listed");
    check_not_allowed(policy, "https://ntfy.lan.example/SECRET", ERR_REFUSED, "not listed");
    check_not_allowed(policy, "http://[fd00::2]/SECRET", ERR_REFUSED, "not listed");
    check_not_allowed(policy, "https://" PUBLIC_V4 "/SECRET", ERR_REFUSED, "not listed");
    policy_free(policy);
}
END_TEST

START_TEST(a_path_prefix_ends_where_a_path_does)
{
    struct policy *policy = allowing(LIST("http://nas.lan/push", "http://nas.lan/a/b/"));
    static const char *const good[] = {"http://nas.lan/push",           "http://nas.lan/push/x",
                                       "http://nas.lan/push?x=/../",    "http://nas.lan/a/b/",
                                       "http://nas.lan/a/b/c?d",        "http://nas.lan/push/...",
                                       "http://nas.lan/push/.x/x./..x", "http://nas.lan/push//x"};
    static const char *const wrong[] = {
        "http://nas.lan/",
        "http://nas.lan",
        "http://nas.lan/pushSECRET",
        "http://nas.lan/PUSH/SECRET",
        "http://nas.lan/a/b",
        "http://nas.lan/a/bSECRET",
        "http://nas.lan/?/push/SECRET",
        "http://nas.lan//push/SECRET",
        "http://nas.lan/push/../SECRET",
        "http://nas.lan/push/./SECRET",
        "http://nas.lan/push/..",
        "http://nas.lan/push/..?SECRET",
        "http://nas.lan/push/%2e%2e/SECRET",
        "http://nas.lan/push/%2E./SECRET",
        "http://nas.lan/push/.%2e/SECRET",
        "http://nas.lan/push/..%2fSECRET",
        "http://nas.lan/push/..%5CSECRET",
        "http://nas.lan/push/..\\SECRET",
        "http://nas.lan/push/%252e%252e/SECRET",
        "http://nas.lan/push/..;/SECRET",
        "http://nas.lan/push/..;a=b/SECRET",
        "http://nas.lan/../push/SECRET",
        "http://nas.lan/SECRET/../push/x",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_allowed(policy, good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        check_not_allowed(policy, wrong[i], ERR_REFUSED, "\"http://nas.lan\"");
    policy_free(policy);
}
END_TEST

START_TEST(onion_names_and_special_addresses_stay_refused_when_they_are_listed)
{
    struct policy *policy =
        allowing(LIST("http://abc.onion", "http://224.0.0.1", "http://0.0.0.0", "http://[::]"));
    check_not_allowed(policy, "http://abc.onion/SECRET", ERR_REFUSED, "Tor proxy");
    check_not_allowed(policy, "http://ABC.onion./SECRET", ERR_REFUSED, "Tor proxy");
    check_not_allowed(policy, "http://224.0.0.1/SECRET", ERR_REFUSED, "no setting allows it");
    check_not_allowed(policy, "http://0.0.0.0/SECRET", ERR_REFUSED, "no setting allows it");
    check_not_allowed(policy, "http://[::]/SECRET", ERR_REFUSED, "no setting allows it");
    policy_free(policy);
}
END_TEST

START_TEST(an_empty_list_allows_nothing)
{
    struct policy *policy = allowing(NULL);
    struct err err = {0};
    check_not_allowed(policy, "https://ntfy.sh/SECRET", ERR_REFUSED, "add \"https://ntfy.sh\"");
    ck_assert_int_eq(check_at(policy, "https://ntfy.sh/SECRET", PUBLIC_V4, &err), ERR_REFUSED);
    policy_free(policy);
}
END_TEST

START_TEST(what_is_denied_stays_denied_when_it_is_listed)
{
    struct err err = {0};
    struct policy *policy =
        policy_of(LIST("*", "https://ntfy.evil.example", "http://10.0.0.5", "https://ok.example"),
                  LIST("evil.example", "*.Bad.example.", ".worse.example", "10.0.0.0/8", PUBLIC_V4,
                       "2620:fe::/48"),
                  &err);
    ck_assert_msg(policy != NULL, "%s", err.text);
    check_not_allowed(policy, "https://evil.example/SECRET", ERR_REFUSED,
                      "\"evil.example\" of push.denied");
    check_not_allowed(policy, "https://ntfy.evil.example/SECRET", ERR_REFUSED, "push.denied");
    check_not_allowed(policy, "https://a.EVIL.example./SECRET", ERR_REFUSED, "push.denied");
    check_not_allowed(policy, "https://bad.example/SECRET", ERR_REFUSED, "push.denied");
    check_not_allowed(policy, "https://b.worse.example/SECRET", ERR_REFUSED, "push.denied");
    check_not_allowed(policy, "http://10.0.0.5/SECRET", ERR_REFUSED,
                      "\"10.0.0.0/8\" of push.denied");
    check_not_allowed(policy, "https://" PUBLIC_V4 "/SECRET", ERR_REFUSED, "push.denied");
    check_not_allowed(policy, "https://[::ffff:" PUBLIC_V4 "]/SECRET", ERR_REFUSED, "push.denied");
    check_not_allowed(policy, "https://[64:ff9b::" PUBLIC_V4 "]/SECRET", ERR_REFUSED,
                      "push.denied");
    check_not_allowed(policy, "https://[" PUBLIC_V6 "]/SECRET", ERR_REFUSED, "push.denied");
    check_allowed(policy, "https://notevil.example/x");
    check_allowed(policy, "https://host.example/evil.example");
    policy_free(policy);
}
END_TEST

START_TEST(a_denied_network_is_denied_whatever_name_leads_there)
{
    struct err err = {0};
    struct policy *policy = policy_of(LIST("*", "https://nas.lan"),
                                      LIST("9.9.9.0/24", "10.0.0.0/8", "evil.example"), &err);
    ck_assert_int_eq(check_at(policy, "https://ntfy.sh/SECRET", PUBLIC_V4, &err), ERR_REFUSED);
    ck_assert_msg(strstr(err.text, "ntfy.sh is at 9.9.9.9") != NULL, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(err.text, "\"9.9.9.0/24\" of push.denied"));
    ck_assert_int_eq(check_at(policy, "https://ntfy.sh/x", "::ffff:9.9.9.9", &err), ERR_REFUSED);
    ck_assert_int_eq(check_at(policy, "https://ntfy.sh/x", "64:ff9b::9.9.9.9", &err), ERR_REFUSED);
    ck_assert_int_eq(check_at(policy, "https://nas.lan/x", "10.1.1.1", &err), ERR_REFUSED);
    ck_assert_int_eq(check_at(policy, "https://a.evil.example/x", "9.9.8.9", &err), ERR_REFUSED);
    ck_assert_int_eq(check_at(policy, "https://nas.lan/x", "192.168.1.1", &err), 0);
    ck_assert_int_eq(check_at(policy, "https://ntfy.sh/x", "9.9.8.9", &err), 0);
    policy_free(policy);
}
END_TEST

START_TEST(a_name_may_lead_to_a_private_address_only_where_it_is_listed)
{
    static const char *const private[] = {
        "127.0.0.1", "10.0.0.1", "192.168.1.5",      "169.254.169.254",     "::1",
        "fd00::1",   "fe80::1",  "::ffff:127.0.0.1", "64:ff9b::192.168.1.5"};
    static const char *const special[] = {"0.0.0.0", "224.0.0.1",      "255.255.255.255",
                                          "::",      "2002:7f00:1::1", "2001::1",
                                          "ff02::1", "240.0.0.1"};
    struct policy *policy = allowing(LIST("*", "https://nas.lan", "https://nas.example/push/"));
    struct err err = {0};
    ck_assert_int_eq(check_at(policy, "https://ntfy.example/x", PUBLIC_V4, &err), 0);
    ck_assert_int_eq(check_at(policy, "https://ntfy.example/x", PUBLIC_V6, &err), 0);
    for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
        ck_assert_int_eq(check_at(policy, "https://nas.lan/x", private[i], &err), 0);
        ck_assert_int_eq(check_at(policy, "https://nas.example/push/x", private[i], &err), 0);
        ck_assert_int_eq(check_at(policy, "https://nas.example/SECRET", private[i], &err),
                         ERR_REFUSED);
        ck_assert_int_eq(check_at(policy, "https://ntfy.example/SECRET", private[i], &err),
                         ERR_REFUSED);
        ck_assert_msg(strstr(err.text, "to allow it add \"https://ntfy.example\" to "
                                       "push.allowed_endpoints") != NULL,
                      "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "ntfy.example has the private address "));
        ck_assert_ptr_null(strstr(err.text, "SECRET"));
    }
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        ck_assert_int_eq(check_at(policy, "https://nas.lan/x", special[i], &err), ERR_REFUSED);
        ck_assert_ptr_nonnull(strstr(err.text, "no setting allows it"));
    }
    policy_free(policy);
}
END_TEST

START_TEST(an_address_check_also_knows_what_text_forbids)
{
    struct policy *policy = allowing(LIST("*"));
    struct err err = {0};
    ck_assert_int_eq(check_at(policy, "http://ntfy.example/x", PUBLIC_V4, &err), ERR_REFUSED);
    ck_assert_int_eq(check_at(policy, "https://ntfy.example:22/x", PUBLIC_V4, &err), ERR_REFUSED);
    ck_assert_int_eq(check_at(policy, "https://nas.local/x", PUBLIC_V4, &err), ERR_REFUSED);
    policy_free(policy);
}
END_TEST

START_TEST(a_star_lists_nobody)
{
    struct policy *policy = allowing(LIST("*", "https://ntfy.sh/push"));
    static const struct {
        const char *endpoint;
        bool is_listed;
    } wanted[] = {{"https://ntfy.sh/push/x", true},
                  {"https://ntfy.sh/x", false},
                  {"https://other.example/push/x", false}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct url url;
        ck_assert_int_eq(url_parse(&url, wanted[i].endpoint, NULL), 0);
        ck_assert_int_eq(policy_is_listed(policy, &url), wanted[i].is_listed);
        url_fini(&url);
    }
    policy_refresh_own(policy);
    check_allowed(policy, "https://other.example/x");
    policy_free(policy);
}
END_TEST

START_TEST(an_entry_names_its_origin_whatever_the_path)
{
    struct policy *policy = allowing(LIST("*", "https://ntfy.lan/push"));
    static const struct {
        const char *endpoint;
        bool is_named;
    } wanted[] = {{"https://ntfy.lan/push/x", true},
                  {"https://NTFY.lan:443/x", true},
                  {"https://ntfy.lan:8443/push/x", false},
                  {"http://ntfy.lan:443/push/x", false},
                  {"https://other.example/push/x", false}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        struct url url;
        ck_assert_int_eq(url_parse(&url, wanted[i].endpoint, NULL), 0);
        ck_assert_int_eq(policy_names_origin(policy, &url), wanted[i].is_named);
        url_fini(&url);
    }
    policy_free(policy);
}
END_TEST

static struct policy *allowing_exactly(const char *const *allowed)
{
    char *items[8];
    struct config config = {.push_allowed_endpoints = {.items = items}, .push_exact_logins = true};
    for (; allowed[config.push_allowed_endpoints.count]; config.push_allowed_endpoints.count++)
        items[config.push_allowed_endpoints.count] =
            mem_text(allowed[config.push_allowed_endpoints.count]);
    struct policy *policy = policy_new(&config, NULL);
    ck_assert_ptr_nonnull(policy);
    for (size_t i = 0; i < config.push_allowed_endpoints.count; i++)
        free(items[i]);
    return policy;
}

static int check_origin_at(const struct policy *policy, const char *origin, const char *at,
                           struct err *err)
{
    struct url url;
    struct address address;
    ck_assert_int_eq(url_parse(&url, origin, NULL), 0);
    ck_assert_int_eq(address_parse(&address, at, url.port), 0);
    int result = policy_check_origin(policy, &url, &address, err);
    url_fini(&url);
    return result;
}

START_TEST(an_origin_alone_may_be_at_a_private_address_where_an_entry_names_any_path_of_it)
{
    struct err err = {0};
    struct policy *policy =
        policy_of(LIST("*", "https://a.example/up"), LIST("10.0.0.0/8", "bad.example"), &err);
    ck_assert_int_eq(check_origin_at(policy, "https://a.example", "192.168.1.5", &err), 0);
    ck_assert_int_eq(check_origin_at(policy, "https://b.example", PUBLIC_V4, &err), 0);
    ck_assert_int_eq(check_origin_at(policy, "http://b.example", PUBLIC_V4, &err), 0);
    ck_assert_int_eq(check_origin_at(policy, "https://b.example", "192.168.1.5", &err),
                     ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "to allow it add \"https://b.example\" to"));
    ck_assert_int_eq(check_origin_at(policy, "https://a.example", "10.1.1.1", &err), ERR_REFUSED);
    ck_assert_int_eq(check_origin_at(policy, "https://a.example", "0.0.0.0", &err), ERR_REFUSED);
    ck_assert_str_eq(err.text, "a.example is at 0.0.0.0, as what blocks names answers (Pi-hole, "
                               "AdGuard Home or the like); no setting allows it");
    ck_assert_int_eq(check_origin_at(policy, "https://a.example", "::", &err), ERR_REFUSED);
    ck_assert_ptr_nonnull(strstr(err.text, "a.example is at ::, as what blocks names answers"));
    ck_assert_int_eq(check_origin_at(policy, "https://bad.example", PUBLIC_V4, &err), ERR_REFUSED);
    policy_free(policy);
}
END_TEST

START_TEST(a_star_and_an_entry_of_ours_cover_endpoints_with_a_user_name)
{
    struct policy *policy = allowing(LIST("*", "http://ntfy.lan/up"));
    check_allowed(policy, "https://SECRET:SECRET@ntfy.sh/x");
    check_allowed(policy, "https://user:p%40w@" PUBLIC_V4 "/x");
    check_allowed(policy, "http://user:pw@ntfy.lan/up/x");
    check_not_allowed(policy, "http://SECRET:SECRET@ntfy.lan/x", ERR_REFUSED,
                      "add \"http://ntfy.lan\" to push.allowed_endpoints");
    check_not_allowed(policy, "https://SECRET:SECRET@10.0.0.1/x", ERR_REFUSED,
                      "add \"https://10.0.0.1\" to push.allowed_endpoints");
    policy_free(policy);
}
END_TEST

START_TEST(in_mollysockets_way_an_entry_is_for_its_own_user_name_and_password)
{
    struct err err = {0};
    struct policy *policy = allowing_exactly(
        LIST("http://user:SECRET@ntfy.lan", "http://nas.lan", "https://user@half.lan"));
    check_allowed(policy, "http://user:SECRET@ntfy.lan/up");
    check_allowed(policy, "http://user:SECRET@NTFY.lan:80/up");
    check_allowed(policy, "https://user@half.lan/up");
    check_allowed(policy, "http://nas.lan/up");
    check_not_allowed(policy, "http://ntfy.lan/SECRET", ERR_REFUSED,
                      "to allow it add \"http://ntfy.lan\" to push.allowed_endpoints");
    check_not_allowed(policy, "http://user:SECRET2@ntfy.lan/up", ERR_REFUSED,
                      "to allow it add \"http://ntfy.lan\", with its user name and password before "
                      "the host, to push.allowed_endpoints");
    check_not_allowed(policy, "http://User:SECRET@ntfy.lan/up", ERR_REFUSED, "");
    check_not_allowed(policy, "http://user@ntfy.lan/up", ERR_REFUSED, "");
    check_not_allowed(policy, "https://user:SECRET@half.lan/up", ERR_REFUSED, "");
    check_not_allowed(policy, "http://user:SECRET@nas.lan/up", ERR_REFUSED, "");
    ck_assert_int_eq(check_at(policy, "http://user:SECRET@ntfy.lan/up", "10.0.0.1", &err), 0);
    ck_assert_int_eq(check_at(policy, "http://ntfy.lan/up", "10.0.0.1", &err), ERR_REFUSED);
    policy_free(policy);
}
END_TEST

START_TEST(an_entry_that_cannot_be_read_is_named_without_its_secrets)
{
    static const struct {
        const char *entry, *said;
    } wrong[] = {
        {"ntfy.lan", "push.allowed_endpoints: entry 2, \"ntfy.lan\": it must begin with https://"},
        {"", "entry 2, \"\""},
        {"**", "entry 2, \"**\""},
        {"ws://ntfy.lan/SECRET", "\"ws://ntfy.lan\""},
        {"https://SECRET:SECRET@ntfy.lan/", "\"ntfy.lan\": it must not have a user name"},
        {"https://ntfy.lan/SECRET?x", "\"https://ntfy.lan\": it must not have a ?query"},
        {"https://ntfy.lan/SECRET#x", "#fragment"},
        {"https://ntfy.lan/SECRET/../x", "\"https://ntfy.lan\": its path"},
        {"https://ntfy.lan/SECRET/%2e%2e", "\"https://ntfy.lan\": its path"},
        {"https://*.ntfy.lan", "\"https://*.ntfy.lan\": "},
        {"https://127.1", "four decimal numbers"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        ck_assert_ptr_null(policy_of(LIST("https://ok.example", wrong[i].entry), NULL, &err));
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_msg(strstr(err.text, wrong[i].said) != NULL, "%s: %s", wrong[i].entry, err.text);
        ck_assert_msg(!strstr(err.text, "SECRET"), "%s", err.text);
    }
}
END_TEST

START_TEST(a_denial_that_cannot_be_read_is_named)
{
    static const char *const wrong[] = {
        "https://evil.example", "10.0.0.0/33", "10.0.0", "1234", "::1/129", "a b", "", "*",
        "evil.example:443",     "a..b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        ck_assert_msg(!policy_of(LIST("*"), LIST("ok.example", wrong[i]), &err), "%s", wrong[i]);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_msg(strstr(err.text, "push.denied: entry 2, \"") != NULL, "%s", err.text);
    }
}
END_TEST

/* What push.connect_to names, and what stands against it. */
START_TEST(a_place_that_the_operator_named_may_be_private_for_its_origin_alone)
{
    static const struct {
        const char *endpoint, *at;
        uint16_t port;
        const char *said; /* NULL: allowed */
    } cases[] = {
        {"https://ntfy.example/x", "192.168.1.5", 8443, NULL},
        {"https://NTFY.example./x", "192.168.1.5", 8443, NULL},
        {"https://ntfy.example/x", "192.168.1.6", 8443, "\"https://ntfy.example\" to push.allowed"},
        {"https://ntfy.example/x", "192.168.1.5", 443, "\"https://ntfy.example\" to push.allowed"},
        {"https://ntfy.example:8443/x", "192.168.1.5", 8443, "\"https://ntfy.example:8443\""},
        {"https://other.example:8443/x", "192.168.1.5", 8443, "\"https://other.example:8443\""},
        {"https://named.example/x", "172.18.0.9", 443, NULL},
        {"https://named.example/x", "fd00::9", 443, NULL},
        {"https://named.example/x", "127.0.0.1", 443, NULL},
        {"https://named.example/x", PUBLIC_V4, 443, NULL},
        {"https://named.example/x", "224.0.0.1", 443, "no setting allows it"},
        {"https://named.example/x", "10.9.0.1", 443, "push.denied"},
        {"https://evil.example/x", "172.18.0.9", 443, "push.denied"},
        {"http://ntfy.example/x", "192.168.1.5", 8443, "without TLS"},
        {"https://lan.home.arpa/x", "192.168.1.5", 443, "is a name of the local network"},
    };
    char *allowed = "*", *denied[] = {"10.9.0.0/16", "evil.example"};
    char *leads[] = {"ntfy.example=192.168.1.5:8443", "named.example=caddy", "evil.example=caddy",
                     "lan.home.arpa=192.168.1.5"};
    struct config config = {.push_allowed_endpoints = {.items = &allowed, .count = 1},
                            .push_denied = {.items = denied, .count = 2},
                            .push_connect_to = {.items = leads, .count = 4}};
    struct policy *policy = policy_new(&config, NULL);
    ck_assert_ptr_nonnull(policy);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct url url;
        struct address address;
        ck_assert_int_eq(url_parse(&url, cases[i].endpoint, NULL), 0);
        ck_assert_int_eq(address_parse(&address, cases[i].at, cases[i].port), 0);
        bool is_allowed = policy_check_address(policy, &url, false, &address, &err) == 0;
        ck_assert_msg(is_allowed == !cases[i].said, "%s, %s: %s", cases[i].endpoint, cases[i].at,
                      err.text);
        if (cases[i].said)
            ck_assert_msg(strstr(err.text, cases[i].said) != NULL, "%s: %s", cases[i].endpoint,
                          err.text);
        url_fini(&url);
    }
    policy_free(policy);
}
END_TEST

UNIT_MAIN("policy", a_star_means_https_to_public_hosts_on_443_or_high_ports,
          what_a_star_does_not_cover_is_told_with_the_entry_to_add,
          under_mollysockets_star_what_accepted_a_push_needs_neither_tls_nor_a_usual_port,
          nothing_new_is_allowed_where_only_what_is_registered_is,
          a_star_does_not_cover_ports_of_other_services,
          what_is_no_endpoint_is_refused_under_every_policy,
          an_endpoint_has_at_most_1000_bytes_and_a_host_253,
          a_sentence_about_the_longest_host_still_ends_with_what_to_do,
          an_entry_names_scheme_host_and_port_however_they_are_spelled,
          a_path_prefix_ends_where_a_path_does,
          onion_names_and_special_addresses_stay_refused_when_they_are_listed,
          an_empty_list_allows_nothing, what_is_denied_stays_denied_when_it_is_listed,
          a_denied_network_is_denied_whatever_name_leads_there,
          a_name_may_lead_to_a_private_address_only_where_it_is_listed,
          an_address_check_also_knows_what_text_forbids, a_star_lists_nobody,
          an_entry_names_its_origin_whatever_the_path,
          an_origin_alone_may_be_at_a_private_address_where_an_entry_names_any_path_of_it,
          a_star_and_an_entry_of_ours_cover_endpoints_with_a_user_name,
          in_mollysockets_way_an_entry_is_for_its_own_user_name_and_password,
          an_entry_that_cannot_be_read_is_named_without_its_secrets,
          a_denial_that_cannot_be_read_is_named,
          a_place_that_the_operator_named_may_be_private_for_its_origin_alone)
