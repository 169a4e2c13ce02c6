/* What the running server saw of a visit to its public address, for whoever asked for it. */
#include "web/witness.h"

#include <string.h>

#include "unit.h"

enum { START_MS = 5000 };

static struct witness witness;
static struct proxies proxies;
static char nonce[WITNESS_NONCE_SIZE];
static json_t *told;

static void begin(void)
{
    static char automatic[] = "auto";
    char *list[] = {automatic};
    struct err err;
    witness = (struct witness){0};
    ck_assert_int_eq(proxies_parse(&proxies, &(struct strings){list, 1}, &err), 0);
    witness_expect(&witness, START_MS, nonce);
    ck_assert_uint_eq(strlen(nonce), WITNESS_NONCE_SIZE - 1);
}

/* Of this peer, with these headers besides the nonce; ends with an empty one. */
static void comes(const char *peer, const char *target, const char *check,
                  const struct header *headers, int64_t now_ms)
{
    struct request request = {.method = "GET"};
    request_set_target(&request, target);
    ck_assert_int_eq(address_parse(&request.peer, peer, 4711), 0);
    if (check)
        request.headers[request.header_count++] = (struct header){"doorbell-check", check};
    for (; headers->name; headers++)
        request.headers[request.header_count++] = *headers;
    witness_look(&witness, &proxies, &request, false, now_ms);
    request_fini(&request);
}

static bool is_told(const char *which, int64_t now_ms)
{
    json_decref(told);
    told = witness_tell(&witness, which, now_ms);
    return json_is_true(json_object_get(told, "seen"));
}

static bool has(const char *name)
{
    ck_assert(json_is_boolean(json_object_get(told, name)));
    return json_is_true(json_object_get(told, name));
}

static void end(void)
{
    json_decref(told);
    told = NULL;
}

static const struct header through_proxy[] = {{"Host", "Push.Example.ORG:443"},
                                              {"X-Forwarded-For", "198.51.100.7"},
                                              {"X-Forwarded-Proto", "https"},
                                              {0}};

START_TEST(what_a_proxy_made_of_the_request_is_told_once)
{
    begin();
    comes("127.0.0.1", "/", nonce, through_proxy, START_MS + 10);
    ck_assert(is_told(nonce, START_MS + 20));
    ck_assert(has("at_root") && has("forwarded") && has("trusted") && has("names_client"));
    ck_assert(!has("tls") && !has("lacks_tls"));
    ck_assert_str_eq(json_string_value(json_object_get(told, "host")), "push.example.org");
    ck_assert_str_eq(json_string_value(json_object_get(told, "scheme")), "https");
    ck_assert_str_eq(json_string_value(json_object_get(told, "peer")), "127.0.0.1");
    ck_assert(!is_told(nonce, START_MS + 30));
    end();
}
END_TEST

START_TEST(what_a_proxy_leaves_out_or_hands_on_wrongly_shows)
{
    static const struct header silent[] = {{"Host", "127.0.0.1:8020"}, {0}};
    static const struct header wrong[] = {
        {"X-Forwarded-Proto", "ht\x01tp"}, {"Forwarded", "proto=http;host=x"}, {0}};
    begin();
    comes("203.0.113.9", "/molly/", nonce, silent, START_MS);
    ck_assert(is_told(nonce, START_MS));
    ck_assert(!has("at_root") && !has("forwarded") && !has("trusted") && !has("names_client"));
    ck_assert_str_eq(json_string_value(json_object_get(told, "host")), "127.0.0.1:8020");
    ck_assert_str_eq(json_string_value(json_object_get(told, "scheme")), "");
    witness_expect(&witness, START_MS, nonce);
    comes("203.0.113.9", "/", nonce, wrong, START_MS);
    ck_assert(is_told(nonce, START_MS));
    ck_assert(has("forwarded") && !has("trusted") && !has("names_client"));
    ck_assert_str_eq(json_string_value(json_object_get(told, "host")), "");
    ck_assert_str_eq(json_string_value(json_object_get(told, "scheme")), "ht?tp");
    end();
}
END_TEST

START_TEST(a_doubled_slash_is_the_root_as_well)
{
    begin();
    comes("127.0.0.1", "//", nonce, through_proxy, START_MS);
    ck_assert(is_told(nonce, START_MS));
    ck_assert(has("at_root"));
    end();
}
END_TEST

START_TEST(only_the_right_nonce_in_time_is_looked_at_and_only_the_first_request)
{
    static const struct header first[] = {{"Host", "first.example.org"}, {0}};
    char wrong[WITNESS_NONCE_SIZE];
    begin();
    memcpy(wrong, nonce, sizeof wrong);
    wrong[0] = wrong[0] == 'a' ? 'b' : 'a';
    comes("127.0.0.1", "/", NULL, through_proxy, START_MS);
    comes("127.0.0.1", "/", "", through_proxy, START_MS);
    comes("127.0.0.1", "/", wrong, through_proxy, START_MS);
    ck_assert(!is_told(nonce, START_MS) && !is_told(wrong, START_MS) && !is_told("", START_MS));
    comes("127.0.0.1", "/", nonce, first, START_MS + 1);
    comes("127.0.0.1", "/", nonce, through_proxy, START_MS + 2);
    ck_assert(is_told(nonce, START_MS + 3));
    ck_assert_str_eq(json_string_value(json_object_get(told, "host")), "first.example.org");
    witness_expect(&witness, START_MS, nonce);
    comes("127.0.0.1", "/", nonce, through_proxy, START_MS + WITNESS_MS);
    ck_assert(!is_told(nonce, START_MS + WITNESS_MS));
    end();
}
END_TEST

START_TEST(several_may_ask_at_once_and_the_oldest_makes_room)
{
    char nonces[WITNESS_MOST + 1][WITNESS_NONCE_SIZE];
    begin();
    for (size_t i = 0; i <= WITNESS_MOST; i++)
        witness_expect(&witness, START_MS, nonces[i]);
    for (size_t i = 0; i <= WITNESS_MOST; i++)
        comes("127.0.0.1", "/", nonces[i], through_proxy, START_MS);
    for (size_t i = 0; i <= WITNESS_MOST; i++)
        ck_assert_int_eq(is_told(nonces[i], START_MS), i > 0);
    end();
}
END_TEST

UNIT_MAIN("witness", what_a_proxy_made_of_the_request_is_told_once,
          what_a_proxy_leaves_out_or_hands_on_wrongly_shows, a_doubled_slash_is_the_root_as_well,
          only_the_right_nonce_in_time_is_looked_at_and_only_the_first_request,
          several_may_ask_at_once_and_the_oldest_makes_room)
