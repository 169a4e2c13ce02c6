#include <ares.h>
#include <curl/curl.h>
#include <microhttpd.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <qrencode.h>
#include <seccomp.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <uv.h>
#include <yaml.h>

#include "cli/cli.h"

#ifndef DOORBELL_COMMIT /* packaging/print-commit; tools that only look at this file have none */
#define DOORBELL_COMMIT "unknown"
#endif

int cli_version_line(void)
{
    puts("doorbell " DOORBELL_VERSION);
    return CLI_DONE;
}

/* As they say themselves: not those that it was built with, but those that run. */
static void print_libraries(void)
{
    printf("libcurl %s\n", curl_version_info(CURLVERSION_NOW)->version);
    printf("openssl %s\n", OpenSSL_version(OPENSSL_FULL_VERSION_STRING));
    printf("libsodium %s\n", sodium_version_string());
    printf("libyaml %s\n", yaml_get_version_string());
    printf("libuv %s\n", uv_version_string());
    printf("c-ares %s\n", ares_version(NULL));
    printf("libmicrohttpd %s\n", MHD_get_version());
    printf("nghttp2 %s\n", nghttp2_version(0)->version_str);
    printf("sqlite %s\n", sqlite3_libversion());
    printf("libqrencode %s\n", QRcode_APIVersionString());
    printf("jansson %s\n", jansson_version_str());
    const struct scmp_version *seccomp = seccomp_version();
    printf("libseccomp %u.%u.%u\n", seccomp->major, seccomp->minor, seccomp->micro);
}

int cli_version(struct cli *cli, int argc, char **argv)
{
    (void)cli;
    if (cli_refuse_words("version", argc, argv))
        return CLI_WRONG_WORDS;
    cli_version_line();
    puts("commit " DOORBELL_COMMIT);
    print_libraries();
    return CLI_DONE;
}
