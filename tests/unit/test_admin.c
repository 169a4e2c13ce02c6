#include "web/admin_sessions.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "web/admin_account.h"
#include "web/admin_token.h"

static const char file[] = "admin.token", store[] = "doorbell.db";

static void make(char token[ADMIN_TOKEN_TEXT_SIZE])
{
    struct err err = {0};
    ck_assert_msg(admin_token_make(file, store, token, &err) == 0, "%s", err.text);
}

static void load(uint8_t hash[ADMIN_HASH_SIZE])
{
    struct err err = {0};
    ck_assert_msg(admin_token_load(file, hash, &err) == 0, "%s", err.text);
}

START_TEST(a_token_is_long_is_kept_as_a_hash_for_its_owner_alone_and_fits_it)
{
    struct folder folder;
    char token[ADMIN_TOKEN_TEXT_SIZE], text[256] = "";
    uint8_t hash[ADMIN_HASH_SIZE];
    struct stat status;
    enter_folder(&folder);
    make(token);
    ck_assert_uint_ge(ADMIN_TOKEN_BYTES * 8, 128);
    ck_assert_uint_eq(strlen(token), 32);
    load(hash);
    ck_assert(admin_token_fits(hash, token));
    token[0] = token[0] == 'A' ? 'B' : 'A';
    ck_assert(!admin_token_fits(hash, token));
    ck_assert(!admin_token_fits(hash, ""));
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    FILE *stream = fopen(file, "r");
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(fread(text, 1, sizeof text - 1, stream), 2 * ADMIN_HASH_SIZE + 1);
    fclose(stream);
    ck_assert_ptr_null(strstr(text, token + 1));
    leave_folder(&folder);
}
END_TEST

START_TEST(a_new_token_takes_the_place_of_the_one_before)
{
    struct folder folder;
    char first[ADMIN_TOKEN_TEXT_SIZE], second[ADMIN_TOKEN_TEXT_SIZE];
    uint8_t hash[ADMIN_HASH_SIZE];
    enter_folder(&folder);
    make(first);
    make(second);
    ck_assert_str_ne(first, second);
    load(hash);
    ck_assert(!admin_token_fits(hash, first));
    ck_assert(admin_token_fits(hash, second));
    leave_folder(&folder);
}
END_TEST

START_TEST(a_token_that_is_revoked_is_gone_and_one_that_was_not_made_is_not_there)
{
    struct folder folder;
    char token[ADMIN_TOKEN_TEXT_SIZE];
    uint8_t hash[ADMIN_HASH_SIZE];
    struct err err;
    enter_folder(&folder);
    ck_assert_int_eq(admin_token_load(file, hash, &err), ERR_NOT_FOUND);
    ck_assert_int_eq(admin_token_revoke(file, &err), ERR_NOT_FOUND);
    make(token);
    ck_assert_int_eq(admin_token_revoke(file, &err), 0);
    ck_assert_int_eq(admin_token_load(file, hash, &err), ERR_NOT_FOUND);
    leave_folder(&folder);
}
END_TEST

START_TEST(a_damaged_file_opens_nothing_and_is_named)
{
    static const char *const texts[] = {
        "", "\n", "00\n", "zz",
        /* a digit less, none of the hexadecimal ones, one line more */
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeg\n",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n\n"};
    struct folder folder;
    uint8_t hash[ADMIN_HASH_SIZE];
    struct err err;
    enter_folder(&folder);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(file, texts[i]);
        ck_assert_int_eq(admin_token_load(file, hash, &err), ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.text, file));
    }
    leave_folder(&folder);
}
END_TEST

START_TEST(a_token_that_cannot_be_kept_is_not_told)
{
    struct folder folder;
    char token[ADMIN_TOKEN_TEXT_SIZE] = "?";
    struct err err;
    enter_folder(&folder);
    ck_assert_int_eq(admin_token_make("missing/admin.token", store, token, &err), ERR_IO);
    ck_assert_str_eq(token, "");
    ck_assert_ptr_nonnull(strstr(err.text, "start the server once"));
    leave_folder(&folder);
}
END_TEST

/* As anybody but root they are the same. */
START_TEST(a_token_that_root_makes_belongs_to_whom_the_stores_folder_belongs_to)
{
    struct folder folder;
    char token[ADMIN_TOKEN_TEXT_SIZE];
    struct stat status;
    struct err err = {0};
    uid_t owner = geteuid() == 0 ? 12345 : geteuid();
    enter_folder(&folder);
    ck_assert_int_eq(mkdir("data", 0700), 0);
    ck_assert_int_eq(chown("data", owner, getegid()), 0);
    ck_assert_msg(admin_token_make(file, "data/doorbell.db", token, &err) == 0, "%s", err.text);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_uint_eq(status.st_uid, owner);
    ck_assert_int_eq(status.st_mode & 0777, 0600);
    leave_folder(&folder);
}
END_TEST

/* Root may open any folder. */
START_TEST(a_token_whose_folder_cannot_be_synced_is_told_and_valid)
{
    struct folder folder;
    char token[ADMIN_TOKEN_TEXT_SIZE];
    uint8_t hash[ADMIN_HASH_SIZE];
    enter_folder(&folder);
    ck_assert_int_eq(chmod(".", 0300), 0);
    make(token);
    ck_assert_int_eq(chmod(".", 0700), 0);
    load(hash);
    ck_assert(admin_token_fits(hash, token));
    leave_folder(&folder);
}
END_TEST

/* Sessions */

static void hash_of(uint8_t hash[ADMIN_HASH_SIZE], const char *token)
{
    admin_token_hash(hash, token);
}

START_TEST(a_session_is_found_by_its_id_until_its_time_is_over)
{
    struct admin_sessions sessions = {0};
    uint8_t token[ADMIN_HASH_SIZE];
    char id[ADMIN_ID_TEXT_SIZE];
    hash_of(token, "a");
    admin_sessions_open(&sessions, token, 1000, id);
    ck_assert_uint_ge(strlen(id), 43);
    ck_assert_ptr_nonnull(admin_sessions_find(&sessions, token, id, 999));
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, "", 999));
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, NULL, 999));
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, id, 1000));
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, id, 999)); /* it was ended */
}
END_TEST

START_TEST(a_session_ends_with_the_token_that_opened_it)
{
    struct admin_sessions sessions = {0};
    uint8_t token[ADMIN_HASH_SIZE], other[ADMIN_HASH_SIZE];
    char id[ADMIN_ID_TEXT_SIZE];
    hash_of(token, "a");
    hash_of(other, "b");
    admin_sessions_open(&sessions, token, 1000, id);
    ck_assert_ptr_null(admin_sessions_find(&sessions, other, id, 1));
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, id, 1));
}
END_TEST

START_TEST(who_logs_out_is_out_and_nobody_else)
{
    struct admin_sessions sessions = {0};
    uint8_t token[ADMIN_HASH_SIZE];
    char one[ADMIN_ID_TEXT_SIZE], two[ADMIN_ID_TEXT_SIZE];
    hash_of(token, "a");
    admin_sessions_open(&sessions, token, 1000, one);
    admin_sessions_open(&sessions, token, 1000, two);
    ck_assert_str_ne(one, two);
    admin_sessions_close(admin_sessions_find(&sessions, token, one, 1));
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, one, 1));
    ck_assert_ptr_nonnull(admin_sessions_find(&sessions, token, two, 1));
}
END_TEST

START_TEST(when_there_are_too_many_the_first_to_end_makes_room)
{
    struct admin_sessions sessions = {0};
    uint8_t token[ADMIN_HASH_SIZE];
    char ids[ADMIN_SESSIONS_MAX + 1][ADMIN_ID_TEXT_SIZE];
    hash_of(token, "a");
    for (int i = 0; i <= ADMIN_SESSIONS_MAX; i++)
        admin_sessions_open(&sessions, token, 1000 + i, ids[i]);
    ck_assert_ptr_null(admin_sessions_find(&sessions, token, ids[0], 1));
    for (int i = 1; i <= ADMIN_SESSIONS_MAX; i++)
        ck_assert_ptr_nonnull(admin_sessions_find(&sessions, token, ids[i], 1));
}
END_TEST

START_TEST(a_session_starts_without_the_test_of_the_one_before)
{
    struct admin_sessions sessions = {0};
    uint8_t token[ADMIN_HASH_SIZE];
    char id[ADMIN_ID_TEXT_SIZE];
    hash_of(token, "a");
    admin_sessions_open(&sessions, token, 1000, id);
    admin_sessions_find(&sessions, token, id, 1)->test.at_unix = 7;
    for (int i = 0; i < ADMIN_SESSIONS_MAX; i++)
        admin_sessions_open(&sessions, token, 2000, id);
    ck_assert_int_eq(admin_sessions_find(&sessions, token, id, 1)->test.at_unix, 0);
}
END_TEST

static void expect_clock(const char *expected, int64_t at_unix, int64_t now_unix)
{
    struct buf page;
    char text[512];
    buf_init(&page, sizeof text);
    admin_add_clock(&page, "", at_unix, now_unix);
    snprintf(text, sizeof text, "%.*s", (int)page.length, (const char *)page.bytes);
    ck_assert_msg(strstr(text, expected), "%s", text);
    buf_fini(&page);
}

START_TEST(a_time_of_another_day_has_its_day_and_one_of_another_year_has_its_year)
{
    setenv("TZ", "UTC", 1);
    tzset();
    enum { NOON = 1768305600 }; /* 2026-01-13 */
    expect_clock(">11:59:00</time>", NOON - 60, NOON);
    expect_clock(">Jan 12 12:00</time>", NOON - 86400, NOON);
    expect_clock(">2025-12-31 12:00</time>", NOON - 13 * 86400, NOON);
}
END_TEST

UNIT_MAIN("admin", a_time_of_another_day_has_its_day_and_one_of_another_year_has_its_year,
          a_token_is_long_is_kept_as_a_hash_for_its_owner_alone_and_fits_it,
          a_new_token_takes_the_place_of_the_one_before,
          a_token_that_is_revoked_is_gone_and_one_that_was_not_made_is_not_there,
          a_damaged_file_opens_nothing_and_is_named, a_token_that_cannot_be_kept_is_not_told,
          a_token_that_root_makes_belongs_to_whom_the_stores_folder_belongs_to,
          a_token_whose_folder_cannot_be_synced_is_told_and_valid,
          a_session_is_found_by_its_id_until_its_time_is_over,
          a_session_ends_with_the_token_that_opened_it, who_logs_out_is_out_and_nobody_else,
          when_there_are_too_many_the_first_to_end_makes_room,
          a_session_starts_without_the_test_of_the_one_before)
