#include "base/descriptors.h"

#include "unit.h"

START_TEST(what_the_caps_need_is_asked_for_and_no_more)
{
    struct descriptors share = descriptors_share(INT64_MAX, 10000, 10000, 512);
    ck_assert_int_eq(share.limit, 11024);
    ck_assert_int_eq(share.strangers, 512);
    ck_assert_int_eq(share.links, 10000);
    share = descriptors_share(11024, 10000, 10000, 512);
    ck_assert_int_eq(share.limit, 11024);
    ck_assert_int_eq(share.strangers, 512);
}
END_TEST

START_TEST(where_there_are_too_few_strangers_get_the_least)
{
    struct descriptors share = descriptors_share(1024, 10000, 10000, 512);
    ck_assert_int_eq(share.needed, 11024);
    ck_assert_int_eq(share.limit, 1024);
    ck_assert_int_eq(share.strangers, 128);
    ck_assert_int_eq(share.links, 384);
    ck_assert_int_eq(descriptors_share(11023, 10000, 10000, 512).strangers,
                     512); /* fewer than a quarter */
    ck_assert_int_eq(descriptors_share(4096, 10000, 10000, 100).strangers, 100);
    ck_assert_int_eq(descriptors_share(256, 10000, 10000, 512).strangers, 32);
    ck_assert_int_eq(descriptors_share(256, 10000, 10000, 4).strangers, 4);
}
END_TEST

START_TEST(all_shares_together_fit_and_each_has_some)
{
    for (int64_t most = 32; most < 12000; most += 7) {
        struct descriptors share = descriptors_share(most, 10000, 10000, 100000);
        int64_t others = share.limit - share.links - share.strangers;
        ck_assert_int_le(share.limit, most);
        ck_assert_int_ge(others, most / 2 < 512 ? most / 2 : 512);
        ck_assert_int_ge(share.strangers, 1);
        ck_assert_int_ge(share.links, share.strangers);
    }
}
END_TEST

START_TEST(links_that_share_connections_get_what_there_is_and_take_nothing_from_strangers)
{
    struct descriptors share = descriptors_share(INT64_MAX, 100000, 1000, 512);
    ck_assert_int_eq(share.limit, 101024);
    ck_assert_int_eq(share.links, 100000);
    ck_assert_int_eq(share.needed, 2024);
    share = descriptors_share(4096, 100000, 1000, 512);
    ck_assert_int_eq(share.limit, 4096);
    ck_assert_int_eq(share.strangers, 512);
    ck_assert_int_eq(share.links, 3072);
    share = descriptors_share(2023, 100000, 1000, 512);
    ck_assert_int_lt(share.limit, share.needed);
    ck_assert_int_eq(share.strangers, 377);
    ck_assert_int_eq(share.links, 1134);
}
END_TEST

UNIT_MAIN("descriptors", what_the_caps_need_is_asked_for_and_no_more,
          where_there_are_too_few_strangers_get_the_least,
          all_shares_together_fit_and_each_has_some,
          links_that_share_connections_get_what_there_is_and_take_nothing_from_strangers)
