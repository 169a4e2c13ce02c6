#include "push/connect_to.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "push/strict_url.h"

#define FORM "write it as ntfy.example.org=192.168.1.5:8443"

struct side {
    char host[256];
    uint16_t port; /* 0: not written */
    bool is_address, is_ipv6;
};

struct rule {
    struct side from, to;
};

struct connect_to {
    struct rule *rules;
    size_t count;
};

/* Behind the brackets of an IPv6 address. */
static bool has_port(const char *text)
{
    const char *bracket = strrchr(text, ']');
    return strchr(bracket ? bracket : text, ':') != NULL;
}

static int take_side(struct side *side, const char *text, const char *which, struct err *err)
{
    if (!*text)
        return err_set(err, ERR_INVALID, "its %s side is empty; " FORM, which);
    if (strpbrk(text, "/?#@"))
        return err_set(err, ERR_INVALID,
                       "its %s side must be a host, with a port or without one, and nothing else; "
                       "take https:// and path away",
                       which);
    struct err why = {.text = "its port is missing"};
    struct url url;
    char *whole = mem_format("https://%s/", text);
    bool is_read = text[strlen(text) - 1] != ':' && strict_url_parse(&url, whole, &why) == 0;
    free(whole);
    if (!is_read)
        return err_set(err, ERR_INVALID,
                       "its %s side cannot be read (%s); write a name, an IPv4 address or an IPv6 "
                       "address in [ ], and :PORT behind it if need be",
                       which, why.text);
    memcpy(side->host, url.host, sizeof side->host);
    side->port = has_port(text) ? url.port : 0;
    side->is_address = url.is_address;
    side->is_ipv6 = url.is_ipv6;
    url_fini(&url);
    return 0;
}

static char *trimmed(const char *text, size_t length)
{
    while (length && *text == ' ') {
        text++;
        length--;
    }
    while (length && text[length - 1] == ' ')
        length--;
    return mem_copy(text, length);
}

static int take_rule(struct rule *rule, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    if (!equals || strstr(text, "->") || strchr(equals + 1, '='))
        return err_set(err, ERR_INVALID, "it must have one = between the two hosts; " FORM);
    char *from = trimmed(text, (size_t)(equals - text));
    char *to = trimmed(equals + 1, strlen(equals + 1));
    int result = take_side(&rule->from, from, "left", err);
    if (result == 0)
        result = take_side(&rule->to, to, "right", err);
    free(from);
    free(to);
    return result;
}

static bool is_host(const struct side *side, const char *host)
{
    struct address a, b;
    if (!side->is_address)
        return host_is_same(side->host, host);
    return address_parse(&a, side->host, 0) == 0 && address_parse(&b, host, 0) == 0 &&
           address_same_host(&a, &b);
}

static int check_first(const struct connect_to *list, const struct rule *rule, struct err *err)
{
    for (const struct rule *other = list->rules; other < rule; other++)
        if (other->from.port == rule->from.port && is_host(&other->from, rule->from.host))
            return err_set(err, ERR_INVALID,
                           "its left side stands in entry %zu, too; take one of them away",
                           (size_t)(other - list->rules) + 1);
    return 0;
}

struct connect_to *connect_to_new(const struct strings *entries, struct err *err)
{
    struct connect_to *list = mem_new(sizeof *list);
    list->rules = mem_new(entries->count * sizeof *list->rules);
    for (; list->count < entries->count; list->count++) {
        const char *text = entries->items[list->count];
        struct rule *rule = &list->rules[list->count];
        if (take_rule(rule, text, err) == 0 && check_first(list, rule, err) == 0)
            continue;
        char shown[STRICT_SHOWN_SIZE];
        strict_url_show(shown, text);
        err_prefix(err, "push.connect_to: entry %zu, \"%s\"", list->count + 1, shown);
        connect_to_free(list);
        return NULL;
    }
    return list;
}

void connect_to_free(struct connect_to *list)
{
    if (!list)
        return;
    free(list->rules);
    free(list);
}

static bool is_for(const struct side *from, const struct url *endpoint)
{
    uint16_t port = from->port ? from->port : url_default_port(endpoint->scheme);
    return port == endpoint->port && is_host(from, endpoint->host);
}

bool connect_to_find(const struct connect_to *list, const struct url *endpoint,
                     struct connect_target *target)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct side *to = &list->rules[i].to;
        if (!is_for(&list->rules[i].from, endpoint))
            continue;
        *target = (struct connect_target){.port = to->port ? to->port : endpoint->port,
                                          .is_address = to->is_address,
                                          .is_ipv6 = to->is_ipv6};
        memcpy(target->host, to->host, sizeof target->host);
        return true;
    }
    return false;
}

bool connect_target_is(const struct connect_target *target, const struct address *address)
{
    struct address named;
    if (address_port(address) != target->port)
        return false;
    return !target->is_address || (address_parse(&named, target->host, target->port) == 0 &&
                                   address_same_host(&named, address));
}
