#include "push/spelling.h"

#include "unit.h"

static size_t spell(const char *text, char names[SPELLINGS_MOST][URL_ORIGIN_SIZE])
{
    struct url url;
    ck_assert_int_eq(url_parse(&url, text, NULL), 0);
    size_t count = spellings_of(&url, names);
    url_fini(&url);
    return count;
}

START_TEST(a_public_ntfy_server_is_one_place_however_it_is_written)
{
    static const char *const texts[] = {"https://ntfy.sh/up", "https://ntfy.sh./up",
                                        "http://ntfy.sh/up", "http://ntfy.sh.:80/up",
                                        "https://NTFY.sh:443/up"};
    char names[SPELLINGS_MOST][URL_ORIGIN_SIZE];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_uint_eq(spell(texts[i], names), 4);
        ck_assert_str_eq(names[0], "https://ntfy.sh");
        ck_assert_str_eq(names[1], "https://ntfy.sh.");
        ck_assert_str_eq(names[2], "http://ntfy.sh");
        ck_assert_str_eq(names[3], "http://ntfy.sh.");
    }
}
END_TEST

START_TEST(another_port_is_another_place)
{
    char names[SPELLINGS_MOST][URL_ORIGIN_SIZE];
    ck_assert_uint_eq(spell("http://ntfy.sh.:8080/up", names), 4);
    ck_assert_str_eq(names[0], "https://ntfy.sh:8080");
    ck_assert_str_eq(names[3], "http://ntfy.sh.:8080");
}
END_TEST

START_TEST(of_other_servers_each_origin_is_its_own_place)
{
    static const char *const texts[] = {"https://push.example.org/up", "https://ntfy.sh.example/up",
                                        "http://push.example.org./up", "https://[2001:db8::1]/up"};
    static const char *const origins[] = {"https://push.example.org", "https://ntfy.sh.example",
                                          "http://push.example.org.", "https://[2001:db8::1]"};
    char names[SPELLINGS_MOST][URL_ORIGIN_SIZE];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ck_assert_uint_eq(spell(texts[i], names), 1);
        ck_assert_str_eq(names[0], origins[i]);
    }
}
END_TEST

UNIT_MAIN("spelling", a_public_ntfy_server_is_one_place_however_it_is_written,
          another_port_is_another_place, of_other_servers_each_origin_is_its_own_place)
