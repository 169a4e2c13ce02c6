#include "push/vapid.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/b64.h"
#include "base/mem.h"
#include "base/url.h"
#include "folder.h"
#include "push/linked_key.h"
#include "push/p256.h"
#include "unit.h"

#define PRIVATE "DSqYuWchrB6yIMYJtidvqANeRQic4uWy34afzZRsZnI"
#define PUBLIC                                                                                     \
    "BOniQ9xHBPNY9gnQW4o-16vHqOb40pEIMifyUdFsxAgyzVkFMguxw0QrdbZcq8hRjN2zpeInRvKVPlkzABvuTnI"
#define ORIGIN "https://push.example.net"
#define SUBJECT "https://example.org/doorbell"
#define NOW 1700000000

/* A second implementation of what a push server does: k is the key, t is header.claims.signature.
 */
static bool verifies(const char *token, const char *key)
{
    uint8_t point[P256_POINT_SIZE], raw[64], der[80], *end = der;
    const char *dot = strrchr(token, '.');
    ck_assert_int_eq(b64_decode(point, sizeof point, key, strlen(key)), P256_POINT_SIZE);
    ck_assert_int_eq(b64_decode(raw, sizeof raw, dot + 1, strlen(dot + 1)), 64);
    ECDSA_SIG *pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    int length = i2d_ECDSA_SIG(pair, &end);
    ECDSA_SIG_free(pair);
    EVP_PKEY *public = p256_public_key(point);
    ck_assert_ptr_nonnull(public);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    ck_assert_int_eq(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, public), 1);
    int good = EVP_DigestVerify(context, der, (size_t)length, (const uint8_t *)token,
                                (size_t)(dot - token));
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(public);
    ERR_clear_error();
    return good == 1;
}

/* Cuts "vapid t=TOKEN,k=KEY" in two, in place. */
static char *token_of(char *header, char **key)
{
    ck_assert_int_eq(strncmp(header, "vapid t=", 8), 0);
    char *comma = strchr(header, ',');
    ck_assert_int_eq(strncmp(comma, ",k=", 3), 0);
    *comma = '\0';
    *key = comma + 3;
    return header + 8;
}

static json_t *part_of(const char *token, int which)
{
    char bytes[1024];
    for (; which; which--)
        token = strchr(token, '.') + 1;
    long length = b64_decode(bytes, sizeof bytes, token, strcspn(token, "."));
    ck_assert_int_gt(length, 0);
    json_t *json = json_loadb(bytes, (size_t)length, 0, NULL);
    ck_assert_ptr_nonnull(json);
    return json;
}

static struct vapid *known_key(void)
{
    struct vapid *vapid = vapid_from_text(PRIVATE, NULL);
    ck_assert_ptr_nonnull(vapid);
    return vapid;
}

/* As at a first start: made where it is missing. */
static struct vapid *key_of_file(const char *path, struct err *err)
{
    struct err why;
    struct vapid *vapid = vapid_from_file(path, &why);
    if (!vapid && why.code == ERR_NOT_FOUND) {
        vapid = vapid_generate(&why);
        int result = vapid_write_new(vapid, path, &why);
        if (result == 0)
            return vapid;
        vapid_free(vapid);
        vapid = result == ERR_BUSY ? vapid_from_file(path, &why) : NULL;
    }
    if (!vapid && err)
        *err = why;
    return vapid;
}

static void header_at(struct vapid *vapid, const char *origin, int64_t now_unix,
                      char header[VAPID_HEADER_SIZE])
{
    struct err err = {0};
    const char *made = vapid_header(vapid, origin, SUBJECT, now_unix, &err);
    ck_assert_msg(made, "%s", err.text);
    memcpy(header, made, strlen(made) + 1);
}

START_TEST(the_sample_of_rfc_8292_verifies_and_a_changed_one_does_not)
{
    static const char key[] = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RC"
                              "PCfA5aq9ojSwk5Y2EmClBPs";
    char token[] = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5u"
                   "ZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb"
                   "7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvo"
                   "D1oA";
    ck_assert(verifies(token, key));
    token[40] ^= 1;
    ck_assert(!verifies(token, key));
}
END_TEST

START_TEST(a_known_private_key_has_its_known_public_key)
{
    struct vapid *vapid = known_key();
    char text[VAPID_PRIVATE_TEXT_SIZE];
    ck_assert_str_eq(vapid_public_text(vapid), PUBLIC);
    vapid_private_text(vapid, text);
    ck_assert_str_eq(text, PRIVATE);
    vapid_free(vapid);
}
END_TEST

START_TEST(a_key_is_read_in_either_alphabet_padded_or_not_and_with_space_around)
{
    uint8_t scalar[32];
    char padded[B64_TEXT_SIZE(32)], spaced[100];
    ck_assert_int_eq(b64_decode(scalar, sizeof scalar, PRIVATE, strlen(PRIVATE)), 32);
    b64_encode(padded, scalar, sizeof scalar);
    ck_assert_int_eq(padded[43], '=');
    snprintf(spaced, sizeof spaced, " \t%s\r\n\n ", PRIVATE);
    const char *const spellings[] = {padded, spaced, PRIVATE "\n", PRIVATE "="};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct vapid *vapid = vapid_from_text(spellings[i], NULL);
        ck_assert_ptr_nonnull(vapid);
        ck_assert_str_eq(vapid_public_text(vapid), PUBLIC);
        vapid_free(vapid);
    }
}
END_TEST

START_TEST(a_key_of_31_bytes_is_the_one_with_a_zero_in_front)
{
    uint8_t scalar[32] = {0};
    memset(scalar + 1, 0x5a, 31);
    char whole[B64_TEXT_SIZE(32)], cut[B64_TEXT_SIZE(31)];
    b64url_encode(whole, scalar, 32);
    b64url_encode(cut, scalar + 1, 31);
    ck_assert_uint_eq(strlen(cut), 42);
    struct vapid *a = vapid_from_text(whole, NULL), *b = vapid_from_text(cut, NULL);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    ck_assert_str_eq(vapid_public_text(a), vapid_public_text(b));
    vapid_free(a);
    vapid_free(b);
}
END_TEST

START_TEST(what_is_no_private_key_is_refused_without_repeating_it)
{
    static const struct {
        const char *text, *hint;
    } wrong[] = {
        {"", "it is empty"},
        {" \n", "it is empty"},
        {PUBLIC, "it is the public key"},
        {"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE", "it is PEM"},
        {"DSqYuWchrB6yIMYJtidvqANeRQic4uWy34afzZRsZn", "43 letters"},
        {"DSqYuWchrB6yIMYJtidvqANeRQic4uWy34afzZRsZnIA", "43 letters"},
        {"DSqYuWchrB6yIMYJtidvqANe QKc4uWy34afzZRsZnI", "43 letters"},
        {"hunter2hunter2", "43 letters"},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "out of range"}, /* 0 */
        {"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE", "out of range"}, /* the order */
        {"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVI", "out of range"}, /* the order + 1 */
        {"__________________________________________8", "out of range"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err err = {0};
        ck_assert_ptr_null(vapid_from_text(wrong[i].text, &err));
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_msg(strstr(err.text, wrong[i].hint) != NULL, "%s: %s", wrong[i].text, err.text);
        ck_assert(strlen(wrong[i].text) < 10 || !strstr(err.text, wrong[i].text));
        ck_assert_uint_eq(ERR_peek_error(), 0);
    }
    struct vapid *last = vapid_from_text("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVA", NULL);
    ck_assert_ptr_nonnull(last); /* the order - 1 */
    vapid_free(last);
}
END_TEST

START_TEST(generated_keys_differ_and_survive_their_text)
{
    struct vapid *a = vapid_generate(NULL), *b = vapid_generate(NULL);
    char text[VAPID_PRIVATE_TEXT_SIZE];
    vapid_private_text(a, text);
    ck_assert_uint_eq(strlen(text), 43);
    ck_assert_uint_eq(strlen(vapid_public_text(a)), 87);
    ck_assert_str_ne(vapid_public_text(a), vapid_public_text(b));
    struct vapid *again = vapid_from_text(text, NULL);
    ck_assert_str_eq(vapid_public_text(a), vapid_public_text(again));
    vapid_free(again);
    vapid_free(a);
    vapid_free(b);
}
END_TEST

START_TEST(a_token_says_for_whom_until_when_and_from_whom)
{
    struct vapid *vapid = known_key();
    char header[VAPID_HEADER_SIZE], *key;
    header_at(vapid, ORIGIN, NOW, header);
    ck_assert_ptr_null(strchr(header + 6, ' '));
    char *token = token_of(header, &key);
    ck_assert_str_eq(key, PUBLIC);
    ck_assert(verifies(token, key));
    json_t *head = part_of(token, 0), *claims = part_of(token, 1);
    ck_assert_uint_eq(json_object_size(head), 2);
    ck_assert_str_eq(json_string_value(json_object_get(head, "typ")), "JWT");
    ck_assert_str_eq(json_string_value(json_object_get(head, "alg")), "ES256");
    ck_assert_uint_eq(json_object_size(claims), 3);
    ck_assert_str_eq(json_string_value(json_object_get(claims, "aud")), ORIGIN);
    ck_assert_str_eq(json_string_value(json_object_get(claims, "sub")), SUBJECT);
    ck_assert_int_eq(json_integer_value(json_object_get(claims, "exp")), NOW + 12 * 3600);
    json_decref(head);
    json_decref(claims);
    vapid_free(vapid);
}
END_TEST

/* About one signature in 128 has a number that begins with a zero byte. */
START_TEST(every_signature_has_64_bytes_and_verifies)
{
    struct vapid *vapid = known_key();
    unsigned short_numbers = 0;
    for (int i = 0; i < 1500; i++) {
        char header[VAPID_HEADER_SIZE], *key;
        uint8_t raw[64];
        header_at(vapid, ORIGIN, NOW + (int64_t)i * 3600, header);
        char *token = token_of(header, &key);
        const char *signature = strrchr(token, '.') + 1;
        ck_assert_uint_eq(strlen(signature), 86);
        ck_assert_int_eq(b64_decode(raw, sizeof raw, signature, 86), 64);
        bool is_short = raw[0] == 0 || raw[32] == 0;
        short_numbers += is_short;
        if (is_short || i < 20)
            ck_assert(verifies(token, key));
    }
    ck_assert_uint_gt(short_numbers, 0);
    vapid_free(vapid);
}
END_TEST

START_TEST(a_token_is_used_for_an_hour_and_not_longer)
{
    struct vapid *vapid = known_key();
    char first[VAPID_HEADER_SIZE], later[VAPID_HEADER_SIZE];
    header_at(vapid, ORIGIN, NOW, first);
    header_at(vapid, ORIGIN, NOW + 3599, later);
    ck_assert_str_eq(first, later);
    header_at(vapid, ORIGIN, NOW + 3600, later);
    ck_assert_str_ne(first, later);
    vapid_free(vapid);
}
END_TEST

START_TEST(a_clock_that_jumps_makes_a_new_token)
{
    struct vapid *vapid = known_key();
    char first[VAPID_HEADER_SIZE], later[VAPID_HEADER_SIZE];
    header_at(vapid, ORIGIN, NOW, first);
    header_at(vapid, ORIGIN, NOW - 1, later);
    ck_assert_str_ne(first, later);
    header_at(vapid, ORIGIN, NOW + 86400, first);
    ck_assert_str_ne(first, later);
    vapid_free(vapid);
}
END_TEST

START_TEST(a_token_is_for_one_origin_and_one_subject)
{
    struct vapid *vapid = known_key();
    char a[VAPID_HEADER_SIZE], b[VAPID_HEADER_SIZE];
    header_at(vapid, ORIGIN, NOW, a);
    header_at(vapid, ORIGIN ":8443", NOW, b);
    ck_assert_str_ne(a, b);
    const char *made = vapid_header(vapid, ORIGIN, "mailto:me@example.org", NOW, NULL);
    ck_assert_ptr_nonnull(made);
    ck_assert_str_ne(a, made);
    memcpy(b, made, strlen(made) + 1);
    char *key, *token = token_of(b, &key);
    json_t *claims = part_of(token, 1);
    ck_assert_str_eq(json_string_value(json_object_get(claims, "sub")), "mailto:me@example.org");
    json_decref(claims);
    vapid_free(vapid);
}
END_TEST

START_TEST(after_forgetting_one_origin_only_that_one_is_signed_anew)
{
    struct vapid *vapid = known_key();
    char a[VAPID_HEADER_SIZE], b[VAPID_HEADER_SIZE], again[VAPID_HEADER_SIZE];
    header_at(vapid, ORIGIN, NOW, a);
    header_at(vapid, "https://other.example", NOW, b);
    vapid_forget(vapid, ORIGIN);
    vapid_forget(vapid, "https://never.seen");
    header_at(vapid, ORIGIN, NOW, again);
    ck_assert_str_ne(a, again);
    header_at(vapid, "https://other.example", NOW, again);
    ck_assert_str_eq(b, again);
    vapid_free(vapid);
}
END_TEST

START_TEST(of_many_origins_the_least_recently_used_gives_way)
{
    struct vapid *vapid = known_key();
    char used[VAPID_HEADER_SIZE], unused[VAPID_HEADER_SIZE], header[VAPID_HEADER_SIZE];
    char origin[URL_ORIGIN_SIZE];
    header_at(vapid, "https://unused.example", NOW, unused);
    header_at(vapid, "https://used.example", NOW, used);
    for (int i = 0; i < 255; i++) {
        snprintf(origin, sizeof origin, "https://n%d.example", i);
        header_at(vapid, origin, NOW, header);
        header_at(vapid, "https://used.example", NOW, header);
    }
    ck_assert_str_eq(header, used);
    header_at(vapid, "https://unused.example", NOW, header);
    ck_assert_str_ne(header, unused);
    vapid_free(vapid);
}
END_TEST

START_TEST(the_longest_origin_and_subject_fit_and_longer_ones_are_refused)
{
    struct vapid *vapid = known_key();
    char origin[URL_ORIGIN_SIZE + 1] = "https://", subject[202] = "mailto:", *key;
    char header[VAPID_HEADER_SIZE];
    const char *made;
    memset(origin + 8, 'o', sizeof origin - 8);
    memset(subject + 7, 's', sizeof subject - 7);
    origin[URL_ORIGIN_SIZE - 1] = subject[200] = '\0';
    made = vapid_header(vapid, origin, subject, INT32_MAX, NULL);
    ck_assert_ptr_nonnull(made);
    memcpy(header, made, strlen(made) + 1);
    ck_assert(verifies(token_of(header, &key), PUBLIC));
    ck_assert_str_eq(key, PUBLIC);

    struct err err = {0};
    subject[200] = 's';
    subject[201] = '\0';
    ck_assert_ptr_null(vapid_header(vapid, origin, subject, NOW, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "push.vapid_subject"));
    origin[URL_ORIGIN_SIZE - 1] = 'o';
    origin[URL_ORIGIN_SIZE] = '\0';
    ck_assert_ptr_null(vapid_header(vapid, origin, SUBJECT, NOW, NULL));
    vapid_free(vapid);
}
END_TEST

START_TEST(nothing_escapes_from_its_claim)
{
    static const char *const wrong[] = {"",        "a\",\"exp\":1,\"x\":\"", "a\\", "a b", "a\n",
                                        "\xc3\xa4"};
    struct vapid *vapid = known_key();
    struct err a, b;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_ptr_null(vapid_header(vapid, ORIGIN, wrong[i], NOW, &a));
        ck_assert_ptr_null(vapid_header(vapid, wrong[i], SUBJECT, NOW, &b));
        ck_assert(a.code == ERR_INVALID && b.code == ERR_INVALID);
    }
    vapid_free(vapid);
}
END_TEST

/* Files */

struct place {
    char folder[64], path[96];
};

static struct place new_place(void)
{
    struct place place = {.folder = "/tmp/doorbell-vapid-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(place.folder));
    snprintf(place.path, sizeof place.path, "%s/vapid.key", place.folder);
    return place;
}

static unsigned count_and_remove(const char *folder)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        unlinkat(dirfd(dir), entry->d_name, 0);
        count++;
    }
    closedir(dir);
    rmdir(folder);
    return count;
}

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(fchmod(fd, mode), 0);
    close(fd);
}

static char *get(const char *path)
{
    char bytes[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t length = read(fd, bytes, sizeof bytes);
    ck_assert_int_ge(length, 0);
    close(fd);
    return mem_copy(bytes, (size_t)length);
}

START_TEST(a_missing_file_is_made_for_its_owner_alone_and_read_again)
{
    struct place place = new_place();
    struct vapid *made = key_of_file(place.path, NULL);
    ck_assert_ptr_nonnull(made);
    struct stat status;
    ck_assert_int_eq(stat(place.path, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0600);
    char line[VAPID_PRIVATE_TEXT_SIZE + 1], *text = get(place.path);
    vapid_private_text(made, line);
    strcat(line, "\n");
    ck_assert_str_eq(text, line);
    struct vapid *again = key_of_file(place.path, NULL);
    ck_assert_str_eq(vapid_public_text(made), vapid_public_text(again));
    free(text);
    vapid_free(made);
    vapid_free(again);
    ck_assert_uint_eq(count_and_remove(place.folder), 1); /* nothing temporary is left */
}
END_TEST

START_TEST(a_missing_folder_is_made_for_its_owner_alone)
{
    struct place place = new_place();
    rmdir(place.folder);
    struct vapid *vapid = key_of_file(place.path, NULL);
    ck_assert_ptr_nonnull(vapid);
    vapid_free(vapid);
    struct stat status;
    ck_assert_int_eq(stat(place.folder, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0700);
    ck_assert_uint_eq(count_and_remove(place.folder), 1);
}
END_TEST

START_TEST(a_missing_file_is_not_made_unasked)
{
    struct place place = new_place();
    struct err err = {0};
    ck_assert_ptr_null(vapid_from_file(place.path, &err));
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, place.path));
    ck_assert_uint_eq(count_and_remove(place.folder), 0);
}
END_TEST

START_TEST(a_file_that_holds_no_key_is_named_and_never_replaced)
{
    static const char *const wrong[] = {"", "hunter2hunter2\n", PUBLIC, PRIVATE PRIVATE};
    struct place place = new_place();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put(place.path, wrong[i], 0600);
        struct err err = {0};
        ck_assert_ptr_null(key_of_file(place.path, &err));
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_ptr_nonnull(strstr(err.text, place.path));
        ck_assert_ptr_nonnull(strstr(err.text, "43 letters"));
        ck_assert_ptr_null(strstr(err.text, "hunter2"));
        char *text = get(place.path);
        ck_assert_str_eq(text, wrong[i]);
        free(text);
    }
    ck_assert_uint_eq(count_and_remove(place.folder), 1);
}
END_TEST

START_TEST(white_space_after_the_key_is_nothing_and_a_long_file_is_no_key)
{
    struct place place = new_place();
    put(place.path, PRIVATE " \r\n\n", 0600);
    struct vapid *vapid = vapid_from_file(place.path, NULL);
    ck_assert_ptr_nonnull(vapid);
    ck_assert_str_eq(vapid_public_text(vapid), PUBLIC);
    vapid_free(vapid);

    char *text = mem_new(100000);
    memset(text, 'A', 99999);
    put(place.path, text, 0600);
    free(text);
    struct err err = {0};
    ck_assert_ptr_null(vapid_from_file(place.path, &err));
    ck_assert_int_eq(err.code, ERR_INVALID);
    count_and_remove(place.folder);
}
END_TEST

START_TEST(a_folder_a_fifo_and_a_place_that_is_not_there_are_errors_that_name_the_path)
{
    struct place place = new_place();
    struct err err = {0};
    ck_assert_ptr_null(key_of_file(place.folder, &err));
    ck_assert_int_eq(err.code, ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, place.folder));

    ck_assert_int_eq(mkfifo(place.path, 0600), 0);
    ck_assert_ptr_null(key_of_file(place.path, &err));
    ck_assert_ptr_nonnull(strstr(err.text, place.path));

    char path[160];
    snprintf(path, sizeof path, "%s/a/b/vapid.key", place.folder);
    ck_assert_ptr_null(key_of_file(path, &err));
    ck_assert_int_eq(err.code, ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, path));
    count_and_remove(place.folder);
}
END_TEST

START_TEST(of_several_that_make_the_file_at_once_all_get_the_same_key)
{
    enum { STARTERS = 6 };
    struct place place = new_place();
    int pipes[2];
    ck_assert_int_eq(pipe(pipes), 0);
    for (int i = 0; i < STARTERS; i++) {
        if (fork() != 0)
            continue;
        struct vapid *vapid = key_of_file(place.path, NULL);
        char text[VAPID_PUBLIC_TEXT_SIZE] = "";
        if (vapid)
            strcpy(text, vapid_public_text(vapid));
        bool done = write(pipes[1], text, sizeof text) == (ssize_t)sizeof text;
        vapid_free(vapid);
        _exit(done ? 0 : 1);
    }
    close(pipes[1]);
    char keys[STARTERS][VAPID_PUBLIC_TEXT_SIZE];
    for (int i = 0; i < STARTERS; i++) {
        ck_assert_int_eq(read(pipes[0], keys[i], VAPID_PUBLIC_TEXT_SIZE), VAPID_PUBLIC_TEXT_SIZE);
        ck_assert_uint_eq(strlen(keys[i]), 87);
        ck_assert_str_eq(keys[i], keys[0]);
    }
    close(pipes[0]);
    while (wait(NULL) > 0)
        continue;
    ck_assert_uint_eq(count_and_remove(place.folder), 1);
}
END_TEST

/* What phones were linked with */

struct linked {
    struct loop loop;
    struct folder folder;
    struct store *store;
};

static void open_linked(struct linked *linked)
{
    struct err err;
    linked->store = store_open(&store_sqlite, "doorbell.db", &linked->loop, &err);
    ck_assert_msg(linked->store != NULL, "%s", err.text);
}

static struct linked_key read_linked(struct linked *linked, const struct vapid *vapid,
                                     int64_t took_over_unix)
{
    struct err err;
    struct linked_key key;
    ck_assert_int_eq(linked_key_read(&key, vapid ? vapid_public_text(vapid) : NULL, took_over_unix,
                                     linked->store, &err),
                     0);
    return key;
}

static void link_phone(struct linked *linked, const struct vapid *vapid)
{
    struct linked_key key = read_linked(linked, vapid, 0);
    linked_key_note(&key, linked->store);
    ck_assert(!key.is_other);
    store_close(linked->store); /* which waits for what is to be written */
    open_linked(linked);
}

START_TEST(a_key_is_another_one_where_phones_were_linked_with_others_alone)
{
    struct err err;
    struct linked linked = {0};
    struct vapid *first = known_key(), *second = vapid_generate(&err);
    enter_folder(&linked.folder);
    loop_init(&linked.loop);
    open_linked(&linked);
    ck_assert(!read_linked(&linked, NULL, 0).is_other);
    ck_assert(!read_linked(&linked, second, 0).is_other); /* nothing is remembered yet */
    link_phone(&linked, first);
    ck_assert(!read_linked(&linked, first, 0).is_other);
    ck_assert(read_linked(&linked, second, 0).is_other);
    ck_assert(!read_linked(&linked, second, INT64_MAX).is_other); /* taken over since, with it */
    link_phone(&linked, second);
    ck_assert(!read_linked(&linked, second, 0).is_other);
    ck_assert(!read_linked(&linked, first, 0).is_other);
    store_close(linked.store);
    loop_fini(&linked.loop);
    vapid_free(first);
    vapid_free(second);
    leave_folder(&linked.folder);
}
END_TEST

UNIT_MAIN("vapid", the_sample_of_rfc_8292_verifies_and_a_changed_one_does_not,
          a_known_private_key_has_its_known_public_key,
          a_key_is_read_in_either_alphabet_padded_or_not_and_with_space_around,
          a_key_of_31_bytes_is_the_one_with_a_zero_in_front,
          what_is_no_private_key_is_refused_without_repeating_it,
          generated_keys_differ_and_survive_their_text,
          a_token_says_for_whom_until_when_and_from_whom, every_signature_has_64_bytes_and_verifies,
          a_token_is_used_for_an_hour_and_not_longer, a_clock_that_jumps_makes_a_new_token,
          a_token_is_for_one_origin_and_one_subject,
          after_forgetting_one_origin_only_that_one_is_signed_anew,
          of_many_origins_the_least_recently_used_gives_way,
          the_longest_origin_and_subject_fit_and_longer_ones_are_refused,
          nothing_escapes_from_its_claim, a_missing_file_is_made_for_its_owner_alone_and_read_again,
          a_missing_folder_is_made_for_its_owner_alone, a_missing_file_is_not_made_unasked,
          a_file_that_holds_no_key_is_named_and_never_replaced,
          white_space_after_the_key_is_nothing_and_a_long_file_is_no_key,
          a_folder_a_fifo_and_a_place_that_is_not_there_are_errors_that_name_the_path,

          of_several_that_make_the_file_at_once_all_get_the_same_key,
          a_key_is_another_one_where_phones_were_linked_with_others_alone)
