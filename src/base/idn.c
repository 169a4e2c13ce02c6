#include "base/idn.h"

#include <ctype.h>
#include <curl/curl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool is_plain(unsigned char byte)
{
    return byte < 0x80 && (isalnum(byte) || byte == '-' || byte == '_' || byte == '.');
}

/* Some characters are mapped onto those that end a host name, such as a fullwidth slash. */
static bool is_plain_name(const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < length; i++)
        if (!is_plain((unsigned char)name[i]))
            return false;
    return length > 0 && length < IDN_ASCII_SIZE;
}

static bool may_be_converted(const char *host, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)host[i] < 0x80 && !is_plain((unsigned char)host[i]))
            return false;
    return true;
}

/* NULL: not this one, or no name at all. */
static char *convert(const char *url)
{
    char *host = NULL;
    CURLU *handle = curl_url();
    bool done = handle && curl_url_set(handle, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(handle, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK;
    curl_url_cleanup(handle);
    if (done)
        return host;
    curl_free(host); /* 7.88 leaves the name as it was there, when it fails */
    return NULL;
}

/* The library reads host names in the locale's encoding, and Doorbell has no locale. */
static char *convert_utf8(const char *url)
{
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!utf8)
        return NULL;
    locale_t before = uselocale(utf8);
    char *host = convert(url);
    uselocale(before);
    freelocale(utf8);
    return host;
}

int idn_to_ascii(char ascii[IDN_ASCII_SIZE], const char *host, size_t length, struct err *err)
{
    if (!may_be_converted(host, length))
        return err_set(err, ERR_INVALID, "its host name cannot be one");
    char *url = mem_format("https://%.*s/", (int)length, host);
    char *converted = convert_utf8(url);
    mem_free_secret(url);
    int result = 0;
    if (!converted)
        result = err_set(err, ERR_INVALID, "the host name is not ASCII; write it in its xn-- form");
    else if (!is_plain_name(converted))
        result = err_set(err, ERR_INVALID, "its host name cannot be one");
    else
        snprintf(ascii, IDN_ASCII_SIZE, "%s", converted);
    curl_free(converted);
    return result;
}
