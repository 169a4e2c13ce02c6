/* The seal of device passwords: which key, which row, and what is refused. */
#include <string.h>

#include "base/mem.h"
#include "store/seal.h"
#include "store/store.h"
#include "unit.h"

static const char a_key[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static const char another_key[] = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
static const struct account_key row = {.messenger = 1, .device = 2, .uuid = {3}};

static struct seal *seal_of(const char *text)
{
    struct err err = {0};
    struct seal *seal = seal_from_text(text, &err);
    ck_assert_msg(seal != NULL, "%s", err.text);
    return seal;
}

static void cannot_open(const struct seal *seal, const struct account_key *key, const char *kept)
{
    ck_assert_ptr_null(seal_open(seal, key, kept));
    ck_assert(!seal_same(seal, key, kept, "a-password"));
}

START_TEST(what_is_sealed_is_opened_with_its_key_for_its_row_only)
{
    struct seal *seal = seal_of(a_key), *other = seal_of(another_key);
    char *kept = seal_close(seal, &row, "a-password");
    ck_assert(seal_is_sealed(kept));
    ck_assert_ptr_null(strstr(kept, "a-password"));
    char *opened = seal_open(seal, &row, kept);
    ck_assert_pstr_eq(opened, "a-password");
    ck_assert(seal_same(seal, &row, kept, "a-password"));
    ck_assert(!seal_same(seal, &row, kept, "a-passwore"));
    cannot_open(other, &row, kept);
    cannot_open(NULL, &row, kept);
    struct account_key rows[] = {row, row, row};
    rows[0].messenger++;
    rows[1].device++;
    rows[2].uuid[15]++;
    for (size_t i = 0; i < 3; i++)
        cannot_open(seal, &rows[i], kept);
    mem_free_secret(opened);
    free(kept);
    seal_free(seal);
    seal_free(other);
}
END_TEST

START_TEST(the_same_password_is_never_sealed_alike_and_none_twice)
{
    struct seal *seal = seal_of(a_key);
    char *one = seal_close(seal, &row, "a-password"), *two = seal_close(seal, &row, "a-password");
    ck_assert_str_ne(one, two);
    char *again = seal_close(seal, &row, one);
    ck_assert_str_eq(again, one);
    free(one);
    free(two);
    free(again);
    seal_free(seal);
}
END_TEST

START_TEST(without_a_key_a_password_stays_as_it_is)
{
    char *kept = seal_close(NULL, &row, "a-password"), *opened = seal_open(NULL, &row, kept);
    ck_assert_str_eq(kept, "a-password");
    ck_assert_pstr_eq(opened, "a-password");
    ck_assert(!seal_is_sealed(kept));
    mem_free_secret(kept);
    mem_free_secret(opened);
}
END_TEST

START_TEST(a_sealed_text_that_is_altered_anywhere_is_not_opened)
{
    struct seal *seal = seal_of(a_key);
    char *kept = seal_close(seal, &row, "a-password");
    for (size_t i = strlen("sealed "); kept[i] && kept[i] != '='; i++) {
        char before = kept[i];
        kept[i] = before == 'A' ? 'Q' : 'A';
        ck_assert_msg(!seal_same(seal, &row, kept, "another"), "at %zu", i);
        char *opened = seal_open(seal, &row, kept);
        ck_assert(!opened);
        kept[i] = before;
    }
    const char *const wrong[] = {"sealed ", "sealed !", "sealed AAAA", "sealed"};
    for (size_t i = 0; i < 3; i++)
        cannot_open(seal, &row, wrong[i]);
    ck_assert(!seal_is_sealed(wrong[3]));
    free(kept);
    seal_free(seal);
}
END_TEST

START_TEST(keys_are_32_bytes_in_base64_with_white_space_around)
{
    static const char *const wrong[] = {
        "",
        "AAEC",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIQ==",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh!=",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        ck_assert_ptr_null(seal_from_text(wrong[i], &err));
        ck_assert(*err.text && (!*wrong[i] || !strstr(err.text, wrong[i])));
    }
    seal_free(seal_of(" AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n"));
}
END_TEST

START_TEST(the_check_tells_keys_apart)
{
    uint8_t checks[3][SEAL_CHECK_SIZE];
    const char *const keys[] = {a_key, another_key, a_key};
    for (size_t i = 0; i < 3; i++) {
        struct seal *seal = seal_of(keys[i]);
        seal_check(seal, checks[i]);
        seal_free(seal);
    }
    ck_assert_mem_ne(checks[0], checks[1], SEAL_CHECK_SIZE);
    ck_assert_mem_eq(checks[0], checks[2], SEAL_CHECK_SIZE);
}
END_TEST

UNIT_MAIN("seal", what_is_sealed_is_opened_with_its_key_for_its_row_only,
          the_same_password_is_never_sealed_alike_and_none_twice,
          without_a_key_a_password_stays_as_it_is,
          a_sealed_text_that_is_altered_anywhere_is_not_opened,
          keys_are_32_bytes_in_base64_with_white_space_around, the_check_tells_keys_apart)
