#include "base/uuid.h"

#include <string.h>

#include "unit.h"

START_TEST(spelling_does_not_make_two)
{
    uint8_t lower[16], upper[16];
    char text[UUID_TEXT_SIZE];
    ck_assert_int_eq(uuid_parse(lower, "9d0652a3-dcc3-4d11-975f-74d61598733f"), 0);
    ck_assert_int_eq(uuid_parse(upper, "9D0652A3-DCC3-4D11-975F-74D61598733F"), 0);
    ck_assert_mem_eq(lower, upper, 16);
    uuid_format(text, upper);
    ck_assert_str_eq(text, "9d0652a3-dcc3-4d11-975f-74d61598733f");
}
END_TEST

START_TEST(what_is_not_a_uuid_is_refused)
{
    static const char *const wrong[] = {"",
                                        "9d0652a3dcc34d11975f74d61598733f",
                                        "9d0652a3-dcc3-4d11-975f-74d61598733",
                                        "9d0652a3-dcc3-4d11-975f-74d61598733f0",
                                        "9d0652a3-dcc3-4d11-975f-74d61598733g",
                                        "9d0652a3-dcc34-d11-975f-74d61598733f"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t uuid[16];
        ck_assert_int_lt(uuid_parse(uuid, wrong[i]), 0);
    }
}
END_TEST

UNIT_MAIN("uuid", spelling_does_not_make_two, what_is_not_a_uuid_is_refused)
