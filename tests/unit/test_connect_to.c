#include "push/connect_to.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

static struct connect_to *list_of(const char *const *texts, struct err *err)
{
    char *items[8];
    struct strings entries = {.items = items};
    for (; texts[entries.count]; entries.count++)
        items[entries.count] = mem_text(texts[entries.count]);
    struct connect_to *list = connect_to_new(&entries, err);
    for (size_t i = 0; i < entries.count; i++)
        free(items[i]);
    return list;
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* "HOST PORT" that an endpoint is led to, "" when to nowhere else. */
static const char *led_to(const struct connect_to *list, const char *endpoint)
{
    static char text[300];
    struct url url;
    struct connect_target target;
    ck_assert_int_eq(url_parse(&url, endpoint, NULL), 0);
    text[0] = '\0';
    if (connect_to_find(list, &url, &target))
        snprintf(text, sizeof text, "%s %u", target.host, target.port);
    url_fini(&url);
    return text;
}

START_TEST(an_entry_leads_its_origin_and_no_other_one_to_its_place)
{
    static const struct {
        const char *entry, *endpoint, *to;
    } cases[] = {
        {"ntfy.example.org=192.168.1.5:8443", "https://ntfy.example.org/up1", "192.168.1.5 8443"},
        {"ntfy.example.org=192.168.1.5:8443", "https://NTFY.Example.org:443/", "192.168.1.5 8443"},
        {"Ntfy.example.org=192.168.1.5:8443", "https://ntfy.example.org./", "192.168.1.5 8443"},
        {"ntfy.example.org=192.168.1.5:8443", "http://ntfy.example.org/", "192.168.1.5 8443"},
        {"ntfy.example.org=192.168.1.5:8443", "https://ntfy.example.org:8443/", ""},
        {"ntfy.example.org=192.168.1.5:8443", "http://ntfy.example.org:443/", ""},
        {"ntfy.example.org=192.168.1.5:8443", "https://a.ntfy.example.org/", ""},
        {"ntfy.example.org=192.168.1.5:8443", "https://example.org/", ""},
        {"ntfy.example.org=192.168.1.5:8443", "https://192.168.1.5:8443/", ""},
        {"ntfy.example.org=caddy", "https://ntfy.example.org/", "caddy 443"},
        {"ntfy.example.org=ntfy", "http://ntfy.example.org/", "ntfy 80"},
        {"ntfy.example.org:8443=caddy", "https://ntfy.example.org:8443/", "caddy 8443"},
        {"ntfy.example.org:8443=caddy:443", "https://ntfy.example.org:8443/", "caddy 443"},
        {"ntfy.example.org:8443=caddy", "https://ntfy.example.org/", ""},
        {"ntfy.example.org:443=caddy", "https://ntfy.example.org/", "caddy 443"},
        {" ntfy.example.org = caddy ", "https://ntfy.example.org/", "caddy 443"},
        {"ntfy.example.org=[fd00::5]", "https://ntfy.example.org/", "fd00::5 443"},
        {"ntfy.example.org=[fd00::5]:80", "https://ntfy.example.org/", "fd00::5 80"},
        {"[2001:db8:0::1]=caddy:1", "https://[2001:db8::1]/", "caddy 1"},
        {"203.0.113.7:8443=10.0.0.7", "https://203.0.113.7:8443/", "10.0.0.7 8443"},
        {"203.0.113.7=10.0.0.7", "https://203.0.113.70/", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        struct connect_to *list = list_of(LIST(cases[i].entry), &err);
        ck_assert_msg(list != NULL, "%s: %s", cases[i].entry, err.text);
        const char *to = led_to(list, cases[i].endpoint);
        ck_assert_msg(strcmp(to, cases[i].to) == 0, "%s, %s: \"%s\"", cases[i].entry,
                      cases[i].endpoint, to);
        connect_to_free(list);
    }
}
END_TEST

START_TEST(entries_stand_beside_each_other)
{
    struct connect_to *list =
        list_of(LIST("a.example=one", "a.example:8443=two", "b.example=one:8443"), NULL);
    ck_assert_ptr_nonnull(list);
    ck_assert_str_eq(led_to(list, "https://a.example/"), "one 443");
    ck_assert_str_eq(led_to(list, "https://a.example:8443/"), "two 8443");
    ck_assert_str_eq(led_to(list, "https://b.example/"), "one 8443");
    ck_assert_str_eq(led_to(list, "https://c.example/"), "");
    connect_to_free(list);
}
END_TEST

START_TEST(what_cannot_be_read_is_told_with_the_entry_and_the_form)
{
    static const struct {
        const char *entry, *said;
    } wrong[] = {
        {"ntfy.example.org", "must have one = between the two hosts; write it as"},
        {"ntfy.example.org -> ntfy:80", "ntfy.example.org=192.168.1.5:8443"},
        {"a=b=c", "must have one ="},
        {"=ntfy", "its left side is empty"},
        {"ntfy.example.org=", "its right side is empty"},
        {"https://ntfy.example.org=ntfy", "left side must be a host"},
        {"ntfy.example.org=http://ntfy:80", "take https:// and path away"},
        {"ntfy.example.org/up=ntfy", "take https:// and path away"},
        {"ntfy.example.org=SECRET@ntfy", "right side must be a host"},
        {"ntfy.example.org=ntfy:0", "right side cannot be read"},
        {"ntfy.example.org=ntfy:65536", "right side cannot be read"},
        {"ntfy.example.org=ntfy:http", "right side cannot be read"},
        {"ntfy.example.org=ntfy:", "its port is missing"},
        {"ntfy.example.org=fd00::5", "an IPv6 address in [ ]"},
        {"ntfy.example.org=[fd00::5%eth0]", "right side cannot be read"},
        {"ntfy.example.org=192.168.1", "must be written as four decimal numbers"},
        {"ntfy.example.org=192.168.001.5", "right side cannot be read"},
        {"nt fy=ntfy", "left side cannot be read"},
        {"*=ntfy", "left side cannot be read"},
        {"*.example.org=ntfy", "left side cannot be read"},
        {"b\xc3\xbc"
         "cher.example=ntfy",
         "left side cannot be read"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        ck_assert_msg(!list_of(LIST("ok.example=ok", wrong[i].entry), &err), "%s", wrong[i].entry);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_msg(strncmp(err.text, "push.connect_to: entry 2, \"", 27) == 0, "%s", err.text);
        ck_assert_msg(strstr(err.text, wrong[i].said) != NULL, "%s: %s", wrong[i].entry, err.text);
        ck_assert_msg(!strstr(err.text, "SECRET"), "%s", err.text);
        for (const char *c = err.text; *c; c++)
            ck_assert_msg(*c >= ' ' && *c <= '~', "%s", err.text);
    }
}
END_TEST

START_TEST(one_origin_has_one_place)
{
    struct err err = {0};
    ck_assert_ptr_null(list_of(LIST("a.example=one", "b.example=one", "A.example.=two"), &err));
    ck_assert_ptr_nonnull(strstr(err.text, "entry 3"));
    ck_assert_ptr_nonnull(strstr(err.text, "stands in entry 1, too"));
}
END_TEST

START_TEST(a_target_is_its_port_and_where_it_is_numeric_its_address)
{
    static const struct {
        const char *entry, *at;
        uint16_t port;
        bool is;
    } cases[] = {
        {"a.example=10.0.0.5:80", "10.0.0.5", 80, true},
        {"a.example=10.0.0.5:80", "10.0.0.5", 81, false},
        {"a.example=10.0.0.5:80", "10.0.0.6", 80, false},
        {"a.example=[fd00::5]:80", "fd00:0::5", 80, true},
        {"a.example=caddy:80", "172.18.0.2", 80, true},
        {"a.example=caddy:80", "172.18.0.2", 443, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct connect_to *list = list_of(LIST(cases[i].entry), NULL);
        struct connect_target target;
        struct address address;
        struct url url;
        ck_assert_int_eq(url_parse(&url, "https://a.example/", NULL), 0);
        ck_assert(connect_to_find(list, &url, &target));
        ck_assert_int_eq(address_parse(&address, cases[i].at, cases[i].port), 0);
        ck_assert_msg(connect_target_is(&target, &address) == cases[i].is, "%s, %s", cases[i].entry,
                      cases[i].at);
        url_fini(&url);
        connect_to_free(list);
    }
}
END_TEST

UNIT_MAIN("connect_to", an_entry_leads_its_origin_and_no_other_one_to_its_place,
          entries_stand_beside_each_other, what_cannot_be_read_is_told_with_the_entry_and_the_form,
          one_origin_has_one_place, a_target_is_its_port_and_where_it_is_numeric_its_address)
