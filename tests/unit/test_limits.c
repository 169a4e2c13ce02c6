#include "bridge/limits.h"

#include "unit.h"

enum { NOW_MS = 1000, MANY = 1000 };

static int admitted(struct limits *limits, const char *client, bool is_proxy, int64_t now_ms)
{
    struct address address;
    int count = 0;
    ck_assert_int_eq(address_parse(&address, client, 0), 0);
    for (int i = 0; i < MANY; i++)
        count += limits_admit(limits, &address, is_proxy, now_ms);
    return count;
}

START_TEST(a_neighbourhood_has_thirty_and_one_more_every_five_seconds)
{
    struct limits limits;
    limits_init(&limits);
    ck_assert_int_eq(admitted(&limits, "198.51.100.7", false, NOW_MS), 30);
    ck_assert_int_eq(admitted(&limits, "198.51.100.8", false, NOW_MS), 0);
    ck_assert_int_eq(admitted(&limits, "198.51.101.7", false, NOW_MS), 30);
    ck_assert_int_eq(admitted(&limits, "198.51.100.7", false, NOW_MS + 5000), 1);
    limits_fini(&limits);
}
END_TEST

START_TEST(those_behind_a_proxy_that_names_nobody_share_more)
{
    struct limits limits;
    limits_init(&limits);
    ck_assert_int_eq(admitted(&limits, "172.17.0.1", true, NOW_MS), 300);
    ck_assert_int_eq(admitted(&limits, "172.17.0.1", true, NOW_MS + 5000), 5);
    ck_assert_int_eq(admitted(&limits, "198.51.100.7", false, NOW_MS), 30);
    limits_fini(&limits);
}
END_TEST

START_TEST(a_proxy_and_its_neighbours_take_nothing_from_each_other)
{
    struct limits limits;
    limits_init(&limits);
    ck_assert_int_eq(admitted(&limits, "172.17.0.9", false, NOW_MS), 30);
    ck_assert_int_eq(admitted(&limits, "172.17.0.1", true, NOW_MS), 300);
    ck_assert_int_eq(admitted(&limits, "172.17.0.1", false, NOW_MS), 0);
    limits_fini(&limits);
}
END_TEST

UNIT_MAIN("limits", a_neighbourhood_has_thirty_and_one_more_every_five_seconds,
          those_behind_a_proxy_that_names_nobody_share_more,
          a_proxy_and_its_neighbours_take_nothing_from_each_other)
