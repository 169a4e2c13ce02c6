#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/text.h"
#include "base/url.h"
#include "base/uuid.h"
#include "config/internal.h"

enum {
    HOST_MAX = 253, /* RFC 1035 section 2.3.4, without the root's dot */
    LABEL_MAX = 63,
    USER_AGENT_MAX = 200,
    CONTACT_MAX = 200,
    SOCKET_PATH_MAX = sizeof((struct sockaddr_un *)NULL)->sun_path - 1,
};

/* A decimal number up to `most`, without a sign. */
static bool is_number(const char *text, unsigned long most)
{
    size_t length = strspn(text, "0123456789");
    return length > 0 && length <= 5 && !text[length] && strtoul(text, NULL, 10) <= most;
}

static bool is_address(int family, const char *text, size_t length)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char bytes[sizeof(struct in6_addr)];
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return inet_pton(family, copy, bytes) == 1;
}

/* "192.0.2.1" or "[2001:db8::1]", then a port or nothing. `port` is what follows the colon, or
 * NULL. */
static bool is_socket_address(const char *value, const char **port)
{
    bool is_ipv6 = *value == '[';
    const char *host = is_ipv6 ? value + 1 : value;
    size_t length = strcspn(host, is_ipv6 ? "]" : ":");
    const char *rest = host + length;
    if (is_ipv6 && !*rest++)
        return false;
    *port = *rest == ':' ? rest + 1 : NULL;
    if (*rest && !*port)
        return false;
    return is_address(is_ipv6 ? AF_INET6 : AF_INET, host, length) &&
           (!*port || is_number(*port, 65535));
}

/* "10.0.0.0/8", "2001:db8::/32" or a bare address. */
static bool is_network(const char *value)
{
    size_t length = strcspn(value, "/");
    const char *bits = value[length] ? value + length + 1 : NULL;
    if (is_address(AF_INET, value, length))
        return !bits || is_number(bits, 32);
    return is_address(AF_INET6, value, length) && (!bits || is_number(bits, 128));
}

/* Letters, digits, hyphens and, for names of containers, underscores. */
static bool is_label(const char *label, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return length > 0 && length <= LABEL_MAX;
}

/* Its last label is no number: that would be an address with parts missing. */
bool config_is_host_name(const char *value)
{
    size_t length = strlen(value);
    if (length && value[length - 1] == '.')
        length--;
    if (length > HOST_MAX)
        return false;
    const char *label = value, *end = value + length, *dot;
    while ((dot = memchr(label, '.', (size_t)(end - label)))) {
        if (!is_label(label, (size_t)(dot - label)))
            return false;
        label = dot + 1;
    }
    size_t last = (size_t)(end - label);
    return is_label(label, last) && strspn(label, "0123456789") < last;
}

int check_file_path(const char *value, struct err *err)
{
    if (text_starts(value, "~/"))
        return err_set(err, ERR_INVALID, "~ is not replaced here; write the whole path");
    if (value[strlen(value) - 1] == '/')
        return err_set(err, ERR_INVALID, "it names a folder; add the name of a file");
    return 0;
}

int check_socket_path(const char *value, struct err *err)
{
    if (!*value)
        return err_set(err, ERR_INVALID, "the path after unix: is missing");
    if (strlen(value) > SOCKET_PATH_MAX)
        return err_set(err, ERR_INVALID,
                       "the path of a socket may have %d bytes; choose a shorter one",
                       (int)SOCKET_PATH_MAX);
    return check_file_path(value, err);
}

int check_listen(const char *value, struct err *err)
{
    const char *port;
    if (text_starts(value, "unix:"))
        return check_socket_path(value + strlen("unix:"), err);
    if (is_socket_address(value, &port) && port)
        return 0;
    return err_set(err, ERR_INVALID,
                   "it must be a numeric address with a port, such as 127.0.0.1:8020 or "
                   "[::]:8020, or unix:PATH");
}

int check_metrics_listen(const char *value, struct err *err)
{
    return strcmp(value, "none") == 0 ? 0 : check_listen(value, err);
}

int check_admin_listen(const char *value, struct err *err)
{
    return strcmp(value, "web") == 0 ? 0 : check_metrics_listen(value, err);
}

int check_contact(const char *value, struct err *err)
{
    if (strlen(value) > CONTACT_MAX)
        return err_set(err, ERR_INVALID, "it is longer than %d bytes", CONTACT_MAX);
    return 0;
}

/* What no URL of ours may have. Looks at the text, because an empty query vanishes when it is
 * parsed. */
static int check_plain_url(const struct url *url, const char *value, struct err *err)
{
    if (url->has_userinfo)
        return err_set(err, ERR_INVALID, "it must not have a user name or password in it");
    if (strpbrk(value, "?#"))
        return err_set(err, ERR_INVALID, "it must end with its path, without ? and #");
    return 0;
}

int check_http_url(const char *value, struct err *err)
{
    if (!text_starts_nocase(value, "https://") && !text_starts_nocase(value, "http://"))
        return err_set(err, ERR_INVALID, "it must begin with https:// or http://");
    struct url url;
    int result = url_parse(&url, value, err);
    if (result != 0)
        return result;
    result = check_plain_url(&url, value, err);
    url_fini(&url);
    return result;
}

int check_trusted_proxy(const char *value, struct err *err)
{
    if (strcmp(value, "auto") == 0 || strcmp(value, "none") == 0 || is_network(value))
        return 0;
    return err_set(err, ERR_INVALID,
                   "it must be auto, none, or a network such as 10.0.0.0/8 or fd00::/8");
}

/* The link's credentials are in its first request. */
static int check_credentials_url(const char *value, const char *secure, const char *plain,
                                 struct err *err)
{
    struct url url;
    if (!text_starts_nocase(value, secure) && !text_starts_nocase(value, plain))
        return err_set(err, ERR_INVALID, "it must begin with %s", secure);
    int result = url_parse(&url, value, err);
    if (result != 0)
        return result;
    result = check_plain_url(&url, value, err);
    if (result == 0 && text_starts_nocase(value, plain) && !url_is_this_machine(&url))
        result = err_set(err, ERR_INVALID,
                         "%s would send passwords in clear and is for localhost only; use %s",
                         plain, secure);
    url_fini(&url);
    return result;
}

int check_signal_url(const char *value, struct err *err)
{
    return check_credentials_url(value, "wss://", "ws://", err);
}

int check_signal_http2_url(const char *value, struct err *err)
{
    return check_credentials_url(value, "https://", "http://", err);
}

int check_user_agent(const char *value, struct err *err)
{
    if (strlen(value) > USER_AGENT_MAX)
        return err_set(err, ERR_INVALID, "it is longer than %d bytes", USER_AGENT_MAX);
    for (const char *c = value; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            return err_set(err, ERR_INVALID, "it has characters that are not printable ASCII");
    return 0;
}

int check_allowed_endpoint(const char *value, struct err *err)
{
    if (strcmp(value, "*") == 0 || strcmp(value, CONFIG_REGISTERED) == 0)
        return 0;
    return check_http_url(value, err);
}

int check_denied(const char *value, struct err *err)
{
    if (is_network(value) || config_is_host_name(value))
        return 0;
    return err_set(
        err, ERR_INVALID,
        "it must be a network such as 203.0.113.0/24, an address, or a host name without "
        "https:// and path");
}

/* RFC 8292 section 2.1. It is written into a JSON string as it is. */
int check_vapid_subject(const char *value, struct err *err)
{
    if (!text_is_token(value, strlen(value)) || strpbrk(value, "\"\\"))
        return err_set(err, ERR_INVALID, "it has spaces, quotes or other special characters in it");
    if (text_starts(value, "https://"))
        return check_http_url(value, err);
    const char *at = strchr(value, '@');
    if (text_starts(value, "mailto:") && at && at > value + strlen("mailto:") && at[1])
        return 0;
    return err_set(err, ERR_INVALID,
                   "it must be a web address that begins with https://, or mailto: with an e-mail "
                   "address");
}

int check_allowed_account(const char *value, struct err *err)
{
    uint8_t uuid[16];
    if (strcmp(value, "*") == 0 || strcmp(value, CONFIG_REGISTERED) == 0 ||
        uuid_parse(uuid, value) == 0)
        return 0;
    return err_set(err, ERR_INVALID,
                   "it must be *, registered, or an account id of 32 hexadecimal digits in groups "
                   "of 8-4-4-4-12");
}

int check_nameserver(const char *value, struct err *err)
{
    const char *port;
    if (is_address(AF_INET6, value, strlen(value)))
        return 0;
    if (is_socket_address(value, &port) && !(port && is_number(port, 0)))
        return 0;
    return err_set(err, ERR_INVALID,
                   "it must be a numeric address such as 192.0.2.53, 192.0.2.53:5353 or "
                   "[2001:db8::53]:53");
}

/* A password or a query may be in it: it is the operator's own. */
int check_alert_url(const char *value, struct err *err)
{
    if (!text_starts_nocase(value, "https://") && !text_starts_nocase(value, "http://"))
        return err_set(err, ERR_INVALID, "it must begin with https:// or http://");
    struct url url;
    int result = url_parse(&url, value, err);
    if (result != 0)
        return result;
    if (url.has_fragment)
        result = err_set(err, ERR_INVALID, "it must not have a # in it");
    url_fini(&url);
    return result;
}

int check_token(const char *value, struct err *err)
{
    if (text_is_token(value, strlen(value)))
        return 0;
    return err_set(err, ERR_INVALID, "it has spaces or characters that are not printable ASCII");
}
