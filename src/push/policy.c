#include "push/policy.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/text.h"

enum {
    NAME_MAX_BYTES = 253, /* RFC 1035, without the last dot */
    LABEL_MAX_BYTES = 63,
    SHOWN_MAX = 100, /* of a host name or an entry, in a sentence */
    HIGH_PORTS = 1024,
};

struct entry {
    struct url url;
    bool is_numeric;
    struct address address;
};

struct denial {
    char *name; /* NULL: a network */
    struct network network;
};

struct policy {
    bool any_public; /* "*" */
    struct entry *entries;
    size_t entry_count;
    struct denial *denials;
    size_t denial_count;
    struct own_networks *own;
};

/* Services that speak first, take plain text or trust whoever reaches them, and what browsers
 * refuse. */
static const uint16_t denied_ports[] = {
    1433, 1521, 2049, 3306, 3389, 3659, 4045, 5060, 5061,  5432,  6000,  6379,
    6566, 6665, 6666, 6667, 6668, 6669, 6697, 9200, 10080, 11211, 27017,
};

/* Names that mean something else on every network (RFC 6761, 6762, 8375). */
static const char *const local_names[] = {"localhost", "local", "internal", "home.arpa"};

/* What some servers decode to a dot, a slash, a backslash or a percent sign. */
static const char *const path_tricks[] = {"%2e", "%2f", "%5c", "%25", "\\"};

/* Names */

static size_t length_without_dot(const char *host)
{
    size_t length = strlen(host);
    return length && host[length - 1] == '.' ? length - 1 : length;
}

/* Whether it is `domain` or below it. */
static bool is_within(const char *host, const char *domain)
{
    size_t length = length_without_dot(host), size = length_without_dot(domain);
    if (length < size || strncasecmp(host + length - size, domain, size) != 0)
        return false;
    return length == size || host[length - size - 1] == '.';
}

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

static bool is_name(const char *host)
{
    size_t length = length_without_dot(host);
    if (length > NAME_MAX_BYTES)
        return false;
    for (size_t at = 0; at <= length;) {
        const char *dot = memchr(host + at, '.', length - at);
        size_t end = dot ? (size_t)(dot - host) : length;
        if (!is_label(host + at, end - at))
            return false;
        at = end + 1;
    }
    return true;
}

/* 127.1, 0x7f.1 and 2130706433 are addresses to some and names to others. */
static bool ends_in_number(const char *host)
{
    size_t length = length_without_dot(host), start = length;
    while (start && host[start - 1] != '.')
        start--;
    const char *label = host + start;
    size_t size = length - start;
    if (size >= 2 && text_starts_nocase(label, "0x"))
        return strspn(label + 2, "0123456789abcdefABCDEF") >= size - 2;
    return size > 0 && strspn(label, "0123456789") >= size;
}

static bool is_local_name(const char *host)
{
    if (!memchr(host, '.', length_without_dot(host)))
        return true;
    for (size_t i = 0; i < sizeof local_names / sizeof *local_names; i++)
        if (is_within(host, local_names[i]))
            return true;
    return false;
}

/* Text of URLs */

/* Host and port as they were written. */
static const char *authority_of(const char *text, size_t *length)
{
    const char *start = strstr(text, "://");
    start = start ? start + 3 : text;
    *length = strcspn(start, "/?#");
    return start;
}

/* An entry for a sentence: neither user information nor a path, which may be a secret. */
static void show_entry(char shown[SHOWN_MAX + 1], const char *text)
{
    size_t length;
    const char *authority = authority_of(text, &length);
    const char *at = memrchr(authority, '@', length);
    if (at)
        text_printable(shown, SHOWN_MAX + 1, at + 1, length - (size_t)(at + 1 - authority));
    else
        text_printable(shown, SHOWN_MAX + 1, text, (size_t)(authority - text) + length);
}

/* What url_parse takes, but no endpoint and no entry may have. */
static int check_form(const struct url *url, const char *text, struct err *err)
{
    size_t length;
    const char *authority = authority_of(text, &length);
    if (strcmp(url->scheme, "https") != 0 && strcmp(url->scheme, "http") != 0)
        return err_set(err, ERR_INVALID, "it must begin with https:// or http://");
    if (url->has_userinfo || memchr(authority, '@', length))
        return err_set(err, ERR_INVALID, "it must not have a user name or password");
    if (url->has_fragment || strchr(text, '#'))
        return err_set(err, ERR_INVALID, "it must not have a #fragment");
    if (memchr(authority, '%', length))
        return err_set(err, ERR_INVALID, "its host name must not have percent signs");
    if (url->is_ipv6)
        return 0;
    if (url->is_address) {
        size_t size = strlen(url->host);
        bool is_plain =
            strncmp(authority, url->host, size) == 0 && (size == length || authority[size] == ':');
        return is_plain ? 0
                        : err_set(err, ERR_INVALID,
                                  "its address must be written as four decimal numbers");
    }
    if (ends_in_number(url->host))
        return err_set(err, ERR_INVALID, "its host is neither a name nor a whole address");
    if (!is_name(url->host))
        return err_set(err, ERR_INVALID, "its host name cannot be one");
    return 0;
}

static int parse(struct url *url, const char *text, struct err *err)
{
    int result = url_parse(url, text, err);
    if (result != 0)
        return result;
    result = check_form(url, text, err);
    if (result != 0)
        url_fini(url);
    return result;
}

static bool is_dot_segment(const char *segment, size_t length)
{
    return (length == 1 || length == 2) && memcmp(segment, "..", length) == 0;
}

/* Whether the server, too, must see the path below the folders that are written at its front. */
static bool is_plain_path(const char *target)
{
    char *path = mem_copy(target, strcspn(target, "?"));
    bool plain = true;
    for (size_t i = 0; i < sizeof path_tricks / sizeof *path_tricks; i++)
        plain = plain && !strcasestr(path, path_tricks[i]);
    for (const char *at = path; plain && *at; at += strcspn(at, "/")) {
        at += *at == '/';
        /* Some servers cut parameters off a segment first: "..;x". */
        plain = !is_dot_segment(at, strcspn(at, "/;"));
    }
    free(path);
    return plain;
}

static bool is_below(const char *target, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strcmp(prefix, "/") == 0)
        return true;
    if (strncmp(target, prefix, length) != 0 || !is_plain_path(target))
        return false;
    return prefix[length - 1] == '/' || strchr("/?", target[length]) != NULL;
}

/* The lists */

static int take_entry(struct entry *entry, const char *text, struct err *err)
{
    int result = parse(&entry->url, text, err);
    if (result != 0)
        return result;
    entry->is_numeric = entry->url.is_address;
    if (entry->is_numeric)
        address_parse(&entry->address, entry->url.host, entry->url.port);
    if (strchr(entry->url.target, '?'))
        return err_set(err, ERR_INVALID, "it must not have a ?query");
    if (!is_plain_path(entry->url.target))
        return err_set(err, ERR_INVALID, "its path must not have . or .. or encoded parts");
    return 0;
}

static int take_entries(struct policy *policy, const struct strings *texts, struct err *err)
{
    policy->entries = mem_new(texts->count * sizeof *policy->entries);
    for (size_t i = 0; i < texts->count; i++) {
        if (strcmp(texts->items[i], "*") == 0) {
            policy->any_public = true;
            continue;
        }
        int result = take_entry(&policy->entries[policy->entry_count++], texts->items[i], err);
        if (result != 0) {
            char shown[SHOWN_MAX + 1];
            show_entry(shown, texts->items[i]);
            err_prefix(err, "push.allowed_endpoints: entry %zu, \"%s\"", i + 1, shown);
            return result;
        }
    }
    return 0;
}

static int take_denial(struct denial *denial, const char *text, struct err *err)
{
    if (strstr(text, "://"))
        return err_set(err, ERR_INVALID, "write the host name alone, without scheme and path");
    if (strpbrk(text, "/:") || ends_in_number(text))
        return network_parse(&denial->network, text, err);
    text += text_starts(text, "*.") ? 2 : text_starts(text, ".") ? 1 : 0;
    if (!is_name(text))
        return err_set(err, ERR_INVALID, "it is neither a network nor a host name");
    denial->name = mem_text(text);
    return 0;
}

static int take_denials(struct policy *policy, const struct strings *texts, struct err *err)
{
    policy->denials = mem_new(texts->count * sizeof *policy->denials);
    for (size_t i = 0; i < texts->count; i++) {
        int result = take_denial(&policy->denials[policy->denial_count++], texts->items[i], err);
        if (result != 0) {
            char shown[SHOWN_MAX + 1];
            show_entry(shown, texts->items[i]);
            err_prefix(err, "push.denied: entry %zu, \"%s\"", i + 1, shown);
            return result;
        }
    }
    return 0;
}

struct policy *policy_new(const struct config *config, struct err *err)
{
    struct policy *policy = mem_new(sizeof *policy);
    if (take_entries(policy, &config->push_allowed_endpoints, err) != 0 ||
        take_denials(policy, &config->push_denied, err) != 0) {
        policy_free(policy);
        return NULL;
    }
    policy->own = own_networks_read();
    return policy;
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; i < policy->entry_count; i++)
        url_fini(&policy->entries[i].url);
    for (size_t i = 0; i < policy->denial_count; i++)
        free(policy->denials[i].name);
    free(policy->entries);
    free(policy->denials);
    own_networks_free(policy->own);
    free(policy);
}

void policy_refresh_own(struct policy *policy)
{
    own_networks_free(policy->own);
    policy->own = own_networks_read();
}

/* Judging */

static bool is_same_host(const struct entry *entry, const struct url *endpoint)
{
    if (entry->is_numeric != endpoint->is_address)
        return false;
    if (!entry->is_numeric)
        return is_within(endpoint->host, entry->url.host) &&
               is_within(entry->url.host, endpoint->host);
    struct address address;
    return address_parse(&address, endpoint->host, endpoint->port) == 0 &&
           address_same_host(&address, &entry->address);
}

bool policy_is_listed(const struct policy *policy, const struct url *endpoint)
{
    for (size_t i = 0; i < policy->entry_count; i++) {
        const struct entry *entry = &policy->entries[i];
        if (strcmp(entry->url.scheme, endpoint->scheme) == 0 && entry->url.port == endpoint->port &&
            is_same_host(entry, endpoint) && is_below(endpoint->target, entry->url.target))
            return true;
    }
    return false;
}

/* "why; to allow it add "https://ntfy.lan" to push.allowed_endpoints" */
static int refuse(const struct url *endpoint, const char *why, struct err *err)
{
    char origin[URL_ORIGIN_SIZE];
    url_origin(endpoint, origin);
    return err_set(err, ERR_REFUSED, "%.*s %s; to allow it add \"%s\" to push.allowed_endpoints",
                   SHOWN_MAX, endpoint->host, why, origin);
}

static int check_denied_name(const struct policy *policy, const struct url *endpoint,
                             struct err *err)
{
    for (size_t i = 0; i < policy->denial_count; i++) {
        const char *name = policy->denials[i].name;
        if (name && is_within(endpoint->host, name))
            return err_set(err, ERR_REFUSED,
                           "%.*s is forbidden by the entry \"%.*s\" of push.denied", SHOWN_MAX,
                           endpoint->host, SHOWN_MAX, name);
    }
    return 0;
}

static int check_denied_address(const struct policy *policy, const struct url *endpoint,
                                const struct address *address, struct err *err)
{
    for (size_t i = 0; i < policy->denial_count; i++) {
        const struct denial *denial = &policy->denials[i];
        if (denial->name || !network_contains(&denial->network, address))
            continue;
        char at[ADDRESS_TEXT_SIZE], network[ADDRESS_TEXT_SIZE];
        address_format(at, address);
        address_format(network, &denial->network.address);
        return err_set(err, ERR_REFUSED,
                       "%.*s is at %s, which is forbidden by the entry \"%s/%u\" of push.denied",
                       SHOWN_MAX, endpoint->host, at, network, denial->network.bits);
    }
    return 0;
}

static int refuse_special(const struct url *endpoint, const struct address *address,
                          struct err *err)
{
    char at[ADDRESS_TEXT_SIZE];
    address_format(at, address);
    return err_set(err, ERR_REFUSED,
                   "%.*s is at %s, which is no address of a single host (multicast, reserved, a "
                   "tunnel or an example); no setting allows it",
                   SHOWN_MAX, endpoint->host, at);
}

static int refuse_private(const struct url *endpoint, const struct address *address,
                          struct err *err)
{
    if (endpoint->is_address)
        return refuse(endpoint, "is a private address", err);
    char at[ADDRESS_TEXT_SIZE], why[ADDRESS_TEXT_SIZE + sizeof "has the private address "];
    address_format(at, address);
    stpcpy(stpcpy(why, "has the private address "), at);
    return refuse(endpoint, why, err);
}

static bool is_public_port(uint16_t port)
{
    for (size_t i = 0; i < sizeof denied_ports / sizeof *denied_ports; i++)
        if (port == denied_ports[i])
            return false;
    return port == 443 || port >= HIGH_PORTS;
}

/* What "*" covers, as far as text tells. */
static int check_unlisted(const struct policy *policy, const struct url *endpoint, struct err *err)
{
    if (!policy->any_public)
        return refuse(endpoint, "is not listed", err);
    if (strcmp(endpoint->scheme, "https") != 0)
        return refuse(endpoint, "would be reached without TLS, which \"*\" does not cover", err);
    if (!is_public_port(endpoint->port))
        return refuse(endpoint, "has a port that \"*\" does not cover", err);
    if (!endpoint->is_address && is_local_name(endpoint->host))
        return refuse(endpoint, "is a name of the local network", err);
    return 0;
}

int policy_check_address(const struct policy *policy, const struct url *endpoint,
                         const struct address *address, struct err *err)
{
    bool is_listed = policy_is_listed(policy, endpoint);
    enum address_class class = address_classify(address, policy->own);
    int result = check_denied_name(policy, endpoint, err);
    if (result == 0)
        result = check_denied_address(policy, endpoint, address, err);
    if (result == 0 && !is_listed)
        result = check_unlisted(policy, endpoint, err);
    if (result != 0)
        return result;
    if (class == ADDRESS_SPECIAL)
        return refuse_special(endpoint, address, err);
    if (class == ADDRESS_PRIVATE && !is_listed)
        return refuse_private(endpoint, address, err);
    return 0;
}

static int check_url(const struct policy *policy, const struct url *endpoint, struct err *err)
{
    if (is_within(endpoint->host, "onion"))
        return err_set(err, ERR_REFUSED,
                       "%.*s needs a Tor proxy, which is not supported yet; no setting allows it",
                       SHOWN_MAX, endpoint->host);
    if (endpoint->is_address) {
        struct address address;
        if (address_parse(&address, endpoint->host, endpoint->port) != 0)
            return err_set(err, ERR_INVALID, "the endpoint's address cannot be read");
        return policy_check_address(policy, endpoint, &address, err);
    }
    int result = check_denied_name(policy, endpoint, err);
    if (result == 0 && !policy_is_listed(policy, endpoint))
        result = check_unlisted(policy, endpoint, err);
    return result;
}

int policy_check_endpoint(const struct policy *policy, const char *endpoint, struct err *err)
{
    struct url url;
    int result = parse(&url, endpoint, err);
    if (result != 0) {
        err_prefix(err, "the endpoint cannot be used");
        return result;
    }
    result = check_url(policy, &url, err);
    url_fini(&url);
    return result;
}
