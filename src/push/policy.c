#include "push/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "push/strict_url.h"

enum {
    SHOWN_MAX = STRICT_SHOWN_SIZE - 1,
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
    bool any_public;     /* "*" */
    bool any_registered; /* public servers that took a ring, and nothing new */
    bool keeps_proven;   /* with the meaning that it has to MollySocket */
    bool exact_logins;   /* an entry is for its own user name and password, or for none */
    struct entry *entries;
    size_t entry_count;
    struct denial *denials;
    size_t denial_count;
    struct connect_to *connect_to;
    struct own_networks *own;
    char *list; /* what an operator writes entries into: by its name, and the one that was used */
};

/* Services that speak first, take plain text or trust whoever reaches them, and what browsers
 * refuse. */
static const uint16_t denied_ports[] = {
    1433, 1521, 2049, 3306, 3389, 3659, 4045, 5060, 5061,  5432,  6000,  6379,
    6566, 6665, 6666, 6667, 6668, 6669, 6697, 9200, 10080, 11211, 27017,
};

/* What some servers decode to a dot, a slash, a backslash or a percent sign. */
static const char *const path_tricks[] = {"%2e", "%2f", "%5c", "%25", "\\"};

/* Paths */

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

static int take_entry(const struct policy *policy, struct entry *entry, const char *text,
                      struct err *err)
{
    int result = policy->exact_logins ? strict_url_parse_login(&entry->url, text, err)
                                      : strict_url_parse(&entry->url, text, err);
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
        if (strcmp(texts->items[i], CONFIG_REGISTERED) == 0) {
            policy->any_registered = true;
            continue;
        }
        struct entry *entry = &policy->entries[policy->entry_count++];
        int result = take_entry(policy, entry, texts->items[i], err);
        if (result != 0) {
            char shown[STRICT_SHOWN_SIZE];
            strict_url_show(shown, texts->items[i]);
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
    if (strpbrk(text, "/:") || host_ends_in_number(text))
        return network_parse(&denial->network, text, err);
    text += text_starts(text, "*.") ? 2 : text_starts(text, ".") ? 1 : 0;
    if (!host_is_name(text))
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
            char shown[STRICT_SHOWN_SIZE];
            strict_url_show(shown, texts->items[i]);
            err_prefix(err, "push.denied: entry %zu, \"%s\"", i + 1, shown);
            return result;
        }
    }
    return 0;
}

/* Whoever has the list in MollySocket's way adds to that one: ours would replace it. */
static char *name_of_list(const struct config *config)
{
    static const char name[] = "push.allowed_endpoints";
    const char *place = config->push_exact_logins ? config_place(config, name) : NULL;
    return place ? mem_format("%s (%s)", name, place) : mem_text(name);
}

struct policy *policy_new(const struct config *config, struct err *err)
{
    struct policy *policy = mem_new(sizeof *policy);
    policy->list = name_of_list(config);
    policy->keeps_proven = config->push_keeps_proven;
    policy->exact_logins = config->push_exact_logins;
    if (take_entries(policy, &config->push_allowed_endpoints, err) != 0 ||
        take_denials(policy, &config->push_denied, err) != 0 ||
        !(policy->connect_to = connect_to_new(&config->push_connect_to, err))) {
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
    free(policy->list);
    connect_to_free(policy->connect_to);
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
        return host_is_same(endpoint->host, entry->url.host);
    if (!entry->url.is_ipv6 && !endpoint->is_ipv6) /* of which there is but one spelling */
        return strcmp(endpoint->host, entry->url.host) == 0;
    struct address address;
    return address_parse(&address, endpoint->host, endpoint->port) == 0 &&
           address_same_host(&address, &entry->address);
}

static bool is_same_origin(const struct entry *entry, const struct url *endpoint)
{
    return strcmp(entry->url.scheme, endpoint->scheme) == 0 && entry->url.port == endpoint->port &&
           is_same_host(entry, endpoint);
}

/* In our own way an entry is for a place, whoever one is there. */
static bool is_same_login(const struct policy *policy, const struct url *entry,
                          const struct url *endpoint)
{
    const char *wanted = entry->userinfo ? entry->userinfo : "";
    const char *given = endpoint->userinfo ? endpoint->userinfo : "";
    return !policy->exact_logins || strcmp(wanted, given) == 0;
}

bool policy_is_listed(const struct policy *policy, const struct url *endpoint)
{
    for (size_t i = 0; i < policy->entry_count; i++) {
        const struct entry *entry = &policy->entries[i];
        if (is_same_origin(entry, endpoint) && is_same_login(policy, &entry->url, endpoint) &&
            is_below(endpoint->target, entry->url.target))
            return true;
    }
    return false;
}

bool policy_names_origin(const struct policy *policy, const struct url *endpoint)
{
    for (size_t i = 0; i < policy->entry_count; i++)
        if (is_same_origin(&policy->entries[i], endpoint))
            return true;
    return false;
}

bool policy_connect_to(const struct policy *policy, const struct url *endpoint,
                       struct connect_target *target)
{
    return connect_to_find(policy->connect_to, endpoint, target);
}

/* Whether the operator said that this endpoint's push server is there. */
static bool is_named_place(const struct policy *policy, const struct url *endpoint,
                           const struct address *address)
{
    struct connect_target target;
    return policy_connect_to(policy, endpoint, &target) && connect_target_is(&target, address);
}

/* "why; to allow it add "https://ntfy.lan" to push.allowed_endpoints" */
static int refuse(const struct policy *policy, const struct url *endpoint, const char *why,
                  struct err *err)
{
    bool with_login = policy->exact_logins && endpoint->userinfo;
    char origin[URL_ORIGIN_SIZE];
    url_origin(endpoint, origin);
    return err_set(err, ERR_REFUSED, "%.*s %s; to allow it add \"%s\"%s to %s", SHOWN_MAX,
                   endpoint->host, why, origin,
                   with_login ? ", with its user name and password before the host," : "",
                   policy->list);
}

static int check_denied_name(const struct policy *policy, const struct url *endpoint,
                             struct err *err)
{
    for (size_t i = 0; i < policy->denial_count; i++) {
        const char *name = policy->denials[i].name;
        if (name && host_is_within(endpoint->host, name))
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
    if (!endpoint->is_address && (strcmp(at, "0.0.0.0") == 0 || strcmp(at, "::") == 0))
        return err_set(err, ERR_REFUSED,
                       "%.*s is at %s, as what blocks names answers (Pi-hole, AdGuard Home or the "
                       "like); no setting allows it",
                       SHOWN_MAX, endpoint->host, at);
    return err_set(err, ERR_REFUSED,
                   "%.*s is at %s, which is no address of a single host (multicast, reserved, a "
                   "tunnel or an example); no setting allows it",
                   SHOWN_MAX, endpoint->host, at);
}

/* Networks that people know by another name: of carriers (RFC 6598) and of Tailscale within it, and
 * Tailscale's own. */
static const char *address_hint(const struct address *address)
{
    static const char *const networks[] = {"100.64.0.0/10", "fd7a:115c:a1e0::/48"};
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct network network;
        if (network_parse(&network, networks[i], NULL) == 0 && network_contains(&network, address))
            return " (of Tailscale or the like)";
    }
    return "";
}

static int refuse_private(const struct policy *policy, const struct url *endpoint,
                          const struct address *address, struct err *err)
{
    char at[ADDRESS_TEXT_SIZE], why[2 * ADDRESS_TEXT_SIZE];
    address_format(at, address);
    if (endpoint->is_address)
        snprintf(why, sizeof why, "is a private address%s", address_hint(address));
    else
        snprintf(why, sizeof why, "has the private address %s%s", at, address_hint(address));
    return refuse(policy, endpoint, why, err);
}

static bool is_denied_port(uint16_t port)
{
    for (size_t i = 0; i < sizeof denied_ports / sizeof *denied_ports; i++)
        if (port == denied_ports[i])
            return true;
    return false;
}

static bool is_public_port(uint16_t port, bool kept)
{
    return !is_denied_port(port) && (kept || port == 443 || port >= HIGH_PORTS);
}

/* What "*" covers, as far as text tells. */
static int check_unlisted(const struct policy *policy, const struct url *endpoint, bool proven,
                          struct err *err)
{
    bool kept = proven && policy->keeps_proven;
    if (!policy->any_public && !(policy->any_registered && proven))
        return refuse(policy, endpoint, "is not listed", err);
    if (!kept && strcmp(endpoint->scheme, "https") != 0)
        return refuse(policy, endpoint, "would be reached without TLS, which \"*\" does not cover",
                      err);
    if (!is_public_port(endpoint->port, kept))
        return refuse(policy, endpoint, "has a port that \"*\" does not cover", err);
    if (!endpoint->is_address && host_is_local(endpoint->host))
        return refuse(policy, endpoint, "is a name of the local network", err);
    return 0;
}

static int check_denied(const struct policy *policy, const struct url *endpoint,
                        const struct address *address, struct err *err)
{
    int result = check_denied_name(policy, endpoint, err);
    return result == 0 ? check_denied_address(policy, endpoint, address, err) : result;
}

static int check_class(const struct policy *policy, const struct url *endpoint, bool is_listed,
                       const struct address *address, struct err *err)
{
    enum address_class class = address_classify(address, policy->own);
    if (class == ADDRESS_SPECIAL)
        return refuse_special(endpoint, address, err);
    if (class == ADDRESS_PRIVATE && !is_listed && !is_named_place(policy, endpoint, address))
        return refuse_private(policy, endpoint, address, err);
    return 0;
}

int policy_check_address(const struct policy *policy, const struct url *endpoint, bool proven,
                         const struct address *address, struct err *err)
{
    bool is_listed = policy_is_listed(policy, endpoint);
    int result = check_denied(policy, endpoint, address, err);
    if (result == 0 && !is_listed)
        result = check_unlisted(policy, endpoint, proven, err);
    return result == 0 ? check_class(policy, endpoint, is_listed, address, err) : result;
}

int policy_check_origin(const struct policy *policy, const struct url *origin,
                        const struct address *address, struct err *err)
{
    int result = check_denied(policy, origin, address, err);
    if (result != 0)
        return result;
    return check_class(policy, origin, policy_names_origin(policy, origin), address, err);
}

static int check_url(const struct policy *policy, const struct url *endpoint, bool proven,
                     struct err *err)
{
    if (host_is_within(endpoint->host, "onion"))
        return err_set(err, ERR_REFUSED,
                       "%.*s needs a Tor proxy, which is not supported yet; no setting allows it",
                       SHOWN_MAX, endpoint->host);
    if (endpoint->is_address) {
        struct address address;
        if (address_parse(&address, endpoint->host, endpoint->port) != 0)
            return err_set(err, ERR_INVALID, "the endpoint's address cannot be read");
        return policy_check_address(policy, endpoint, proven, &address, err);
    }
    int result = check_denied_name(policy, endpoint, err);
    if (result == 0 && !policy_is_listed(policy, endpoint))
        result = check_unlisted(policy, endpoint, proven, err);
    return result;
}

int policy_read_endpoint(const struct policy *policy, struct url *url, const char *endpoint,
                         bool proven, struct err *err)
{
    int result = strict_url_parse_login(url, endpoint, err);
    if (result != 0) {
        err_prefix(err, "the endpoint cannot be used");
        return result;
    }
    result = check_url(policy, url, proven, err);
    if (result != 0)
        url_fini(url);
    return result;
}

int policy_check_endpoint(const struct policy *policy, const char *endpoint, bool proven,
                          struct err *err)
{
    struct url url;
    int result = policy_read_endpoint(policy, &url, endpoint, proven, err);
    if (result == 0)
        url_fini(&url);
    return result;
}
