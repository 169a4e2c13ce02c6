#include "web/certificate.h"

#include <openssl/rsa.h>
#include <string.h>
#include <time.h>

#include "folder.h"
#include "pem.h"
#include "unit.h"

static void write_text(const char *path, const char *text)
{
    FILE *file = open_file(path, 0600);
    fputs(text, file);
    fclose(file);
}

/* Two keys in a folder: "chain" is a's and b's certificate, "a" and "b" are the keys. */
struct pair {
    struct folder folder;
    EVP_PKEY *a, *b;
};

static void make_pair(struct pair *pair)
{
    enter_folder(&pair->folder);
    pair->a = EVP_EC_gen("P-256");
    pair->b = EVP_EC_gen("P-256");
    write_certificates("chain", pair->a, pair->b);
    write_key("a", pair->a, NULL, 0600);
    write_key("b", pair->b, NULL, 0600);
}

static void drop_pair(const struct pair *pair)
{
    EVP_PKEY_free(pair->a);
    EVP_PKEY_free(pair->b);
    leave_folder(&pair->folder);
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    while ((text = strstr(text, what))) {
        found++;
        text++;
    }
    return found;
}

START_TEST(a_chain_and_its_key_are_taken)
{
    struct pair pair;
    struct err err = {0};
    make_pair(&pair);
    struct certificate *certificate = certificate_load("chain", "a", &err);
    ck_assert_msg(certificate != NULL, "%s", err.text);
    ck_assert_uint_eq(count(certificate->chain, "BEGIN CERTIFICATE"), 2);
    ck_assert_uint_eq(count(certificate->key, "BEGIN PRIVATE KEY"), 1);
    ck_assert_int_gt(certificate->ends_unix, time(NULL));
    ck_assert_int_le(certificate->ends_unix, time(NULL) + LIFE_S);
    ck_assert(!certificate->key_is_open);
    certificate_free(certificate);
    drop_pair(&pair);
}
END_TEST

START_TEST(both_may_stand_in_one_file_and_the_key_in_an_older_form)
{
    struct pair pair;
    struct err err = {0};
    make_pair(&pair);
    BIO *file = BIO_new_file("both", "w");
    X509 *own = make_certificate(pair.a, 1);
    BIO_puts(file, "a remark\n");
    ck_assert_int_eq(PEM_write_bio_PrivateKey_traditional(file, pair.a, NULL, NULL, 0, NULL, NULL),
                     1);
    PEM_write_bio_X509(file, own);
    BIO_free(file);
    X509_free(own);
    struct certificate *certificate = certificate_load("both", "both", &err);
    ck_assert_msg(certificate != NULL, "%s", err.text);
    ck_assert_ptr_null(strstr(certificate->chain, "KEY-----"));
    certificate_free(certificate);
    drop_pair(&pair);
}
END_TEST

START_TEST(an_rsa_key_is_taken_and_one_that_everybody_may_read_is_noticed)
{
    struct folder folder;
    struct err err = {0};
    enter_folder(&folder);
    EVP_PKEY *key = EVP_RSA_gen(2048);
    write_certificates("chain", key, NULL);
    write_key("key", key, NULL, 0644);
    struct certificate *certificate = certificate_load("chain", "key", &err);
    ck_assert_msg(certificate != NULL, "%s", err.text);
    ck_assert(certificate->key_is_open);
    certificate_free(certificate);
    EVP_PKEY_free(key);
    leave_folder(&folder);
}
END_TEST

START_TEST(what_is_wrong_is_told_with_setting_file_and_fix)
{
    static const struct {
        const char *cert, *key, *says[2];
    } cases[] = {
        {"none", "a", {"web.tls_cert: none cannot be read", "name a file"}},
        {"chain", "none", {"web.tls_key: none cannot be read", "name a file"}},
        {".", "a", {"web.tls_cert: . cannot be read", "name a file"}},
        {"a", "a", {"web.tls_cert: a has no certificate", "fullchain.pem"}},
        {"empty", "a", {"web.tls_cert: empty has no certificate", "fullchain.pem"}},
        {"torn", "a", {"web.tls_cert: torn has no certificate", "fullchain.pem"}},
        {"chain", "chain", {"web.tls_key: chain has no private key", "privkey.pem"}},
        {"chain", "empty", {"web.tls_key: empty has no private key", "privkey.pem"}},
        {"chain", "b", {"web.tls_key: b is not the key", "our own certificate first"}},
        {"chain", "locked", {"web.tls_key: locked is locked with a passphrase", "openssl pkey"}},
        {"huge", "a", {"web.tls_cert: huge is larger than 128 KiB", "right file"}},
    };
    struct pair pair;
    make_pair(&pair);
    write_key("locked", pair.a, "secret", 0600);
    write_text("empty", "");
    write_text("torn", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    write_text("huge", "");
    ck_assert_int_eq(truncate("huge", 129 * 1024), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        ck_assert_ptr_null(certificate_load(cases[i].cert, cases[i].key, &err));
        for (size_t j = 0; j < 2; j++)
            ck_assert_msg(strstr(err.text, cases[i].says[j]) != NULL, "case %zu: %s", i, err.text);
        ck_assert_int_lt(err.code, 0);
    }
    drop_pair(&pair);
}
END_TEST

START_TEST(a_mark_changes_with_either_file_and_with_its_absence)
{
    struct pair pair;
    struct certificate_mark marks[5];
    make_pair(&pair);
    certificate_mark(&marks[0], "chain", "a");
    certificate_mark(&marks[1], "chain", "a");
    ck_assert(certificate_mark_is(&marks[0], &marks[1]));
    write_text("chain", "shorter");
    certificate_mark(&marks[1], "chain", "a");
    ck_assert_int_eq(rename("b", "a"), 0);
    certificate_mark(&marks[2], "chain", "a");
    ck_assert_int_eq(remove("a"), 0);
    certificate_mark(&marks[3], "chain", "a");
    for (size_t i = 0; i < 3; i++)
        ck_assert_msg(!certificate_mark_is(&marks[i], &marks[i + 1]), "step %zu", i);
    certificate_mark(&marks[4], "chain", "a");
    ck_assert(certificate_mark_is(&marks[3], &marks[4]));
    drop_pair(&pair);
}
END_TEST

UNIT_MAIN("certificate", a_chain_and_its_key_are_taken,
          both_may_stand_in_one_file_and_the_key_in_an_older_form,
          an_rsa_key_is_taken_and_one_that_everybody_may_read_is_noticed,
          what_is_wrong_is_told_with_setting_file_and_fix,
          a_mark_changes_with_either_file_and_with_its_absence)
