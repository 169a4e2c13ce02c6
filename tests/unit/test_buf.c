/* Bytes that grow. */
#include "base/buf.h"

#include <string.h>

#include "base/err.h"
#include "unit.h"

static bool is_zero(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i])
            return false;
    return true;
}

static void fill(struct buf *buf, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ck_assert_int_eq(buf_add(buf, &(unsigned char){(unsigned char)(i % 250 + 1)}, 1), 0);
}

static void expect_filled(const struct buf *buf, size_t length)
{
    ck_assert_uint_eq(buf->length, length);
    for (size_t i = 0; i < length; i++)
        ck_assert_uint_eq(buf->bytes[i], i % 250 + 1);
}

START_TEST(what_is_added_stays_while_it_grows_up_to_its_bound)
{
    for (int secret = 0; secret < 2; secret++) {
        struct buf buf;
        if (secret)
            buf_init_secret(&buf, 1000);
        else
            buf_init(&buf, 1000);
        fill(&buf, 1000);
        ck_assert_int_eq(buf_add(&buf, "x", 1), ERR_LIMIT);
        ck_assert_int_eq(buf_format(&buf, "%s", "x"), ERR_LIMIT);
        expect_filled(&buf, 1000);
        buf_fini(&buf);
    }
}
END_TEST

START_TEST(a_secret_one_keeps_nothing_that_is_not_in_it_any_more)
{
    struct buf buf;
    buf_init_secret(&buf, 1000);
    ck_assert_int_eq(buf_format(&buf, "%s and %d", "a password", 7), 0);
    buf_consume(&buf, 11);
    ck_assert_uint_eq(buf.length, 5);
    ck_assert_int_eq(memcmp(buf.bytes, "and 7", 5), 0);
    ck_assert(is_zero(buf.bytes + 5, buf.room - 5));
    buf_clear(&buf);
    ck_assert_uint_eq(buf.length, 0);
    ck_assert(is_zero(buf.bytes, buf.room));
    fill(&buf, 900);
    expect_filled(&buf, 900);
    ck_assert(is_zero(buf.bytes + 900, buf.room - 900));
    buf_fini(&buf);
}
END_TEST

UNIT_MAIN("buf", what_is_added_stays_while_it_grows_up_to_its_bound,
          a_secret_one_keeps_nothing_that_is_not_in_it_any_more)
