#include "doctor/probes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "doctor/running.h"
#include "push/vapid.h"
#include "signal/roots.h"
#include "signal/signal.h"

/* By which the running server knows a visit. */
struct ticket {
    char nonce[WITNESS_NONCE_SIZE]; /* empty: no server runs that would look out for it */
    char line[sizeof WITNESS_HEADER + sizeof ": " + WITNESS_NONCE_SIZE];
};

struct probe {
    const struct config *config;
    struct probe_facts *facts;
    struct visits *visits;
    struct policy *policy;
    struct trust *trust;
    X509_STORE *roots;
    char
        key[VAPID_PUBLIC_TEXT_SIZE]; /* the server's; empty: it cannot be read, as said elsewhere */
    struct ticket page, post;        /* of the two visits to the public address */
};

#define HEALTH_OF_NTFY "/v1/health"

static const char our_agent[] = "Doorbell/" DOORBELL_VERSION;

static void write_origin(char origin[URL_ORIGIN_SIZE], const char *text)
{
    struct url url;
    origin[0] = '\0';
    if (url_parse(&url, text, NULL) != 0)
        return;
    url_origin(&url, origin);
    url_fini(&url);
}

/* A phone, or the server, may come by either of them. */
static void visit_families(const struct probe *probe, struct visit_request request,
                           struct visit_facts *v4, struct visit_facts *v6)
{
    enum net_family allowed = probe->config->net_family;
    request.family = AF_INET;
    if (allowed != NET_FAMILY_IPV6)
        visits_add(probe->visits, &request, v4);
    request.family = AF_INET6;
    if (allowed != NET_FAMILY_IPV4)
        visits_add(probe->visits, &request, v6);
}

static void visit_road(struct probe *probe, enum road road, const char *url)
{
    struct road_facts *facts = &probe->facts->signal.roads[road];
    struct visit_request request = {.url = url,
                                    .lane = RESOLVER_MESSENGER,
                                    .family = AF_UNSPEC,
                                    .user_agent = probe->config->signal_user_agent,
                                    .upgrade = true,
                                    .over_http2 = road == ROAD_HTTP2,
                                    .roots = probe->roots};
    write_origin(facts->origin, url);
    visit_families(probe, request, &facts->v4, &facts->v6);
    request.user_agent = probe->config->signal_user_agent_fallback;
    visits_add(probe->visits, &request, &facts->fallback);
}

static void visit_signal(struct probe *probe)
{
    const struct config *config = probe->config;
    struct signal_facts *signal = &probe->facts->signal;
    bool wanted[ROADS];
    snprintf(signal->agent, sizeof signal->agent, "%s", config->signal_user_agent);
    snprintf(signal->fallback_agent, sizeof signal->fallback_agent, "%s",
             config->signal_user_agent_fallback);
    signal->own_roots = config->signal_ca_file != NULL;
    signal->own_nameservers = config->net_nameservers.count > 0;
    signal_server_roads(config, wanted);
    if (wanted[ROAD_HTTP2])
        visit_road(probe, ROAD_HTTP2, config->signal_http2_url);
    if (wanted[ROAD_HTTP1])
        visit_road(probe, ROAD_HTTP1, config->signal_url);
}

static bool is_known(const struct probe_facts *facts, const char *origin)
{
    for (size_t i = 0; i < facts->origin_count; i++)
        if (strcmp(facts->origins[i].origin, origin) == 0)
            return true;
    return false;
}

static void visit_origin(struct probe *probe, const char *origin)
{
    struct probe_facts *facts = probe->facts;
    if (is_known(facts, origin) || strlen(origin) >= URL_ORIGIN_SIZE)
        return;
    if (facts->origin_count == PROBE_ORIGINS_MOST) {
        facts->origins_more++;
        return;
    }
    struct origin_facts *about = &facts->origins[facts->origin_count++];
    snprintf(about->origin, sizeof about->origin, "%s", origin);
    about->own_roots = probe->config->push_ca_file != NULL;
    about->own_nameservers = probe->config->net_nameservers.count > 0;
    struct visit_request request = {.url = about->origin,
                                    .lane = RESOLVER_ENDPOINT,
                                    .family = AF_UNSPEC,
                                    .user_agent = our_agent,
                                    .trust = probe->trust,
                                    .policy = probe->policy};
    visits_add(probe->visits, &request, &about->visit);
    visit_families(probe, request, &about->v4, &about->v6);
}

static void visit_origins(struct probe *probe, const json_t *status)
{
    const json_t *accounts = json_object_get(status, "accounts");
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        const json_t *endpoint = json_object_get(json_array_get(accounts, i), "endpoint");
        const char *origin = json_string_value(json_object_get(endpoint, "origin"));
        bool denied = json_is_true(json_object_get(endpoint, "denied")); /* as the account says */
        if (origin && *origin && !denied)
            visit_origin(probe, origin);
    }
}

static void visit_watcher(struct probe *probe, const char *url, struct origin_facts *watcher)
{
    if (!url)
        return;
    write_origin(watcher->origin, url);
    struct visit_request request = {.url = watcher->origin,
                                    .lane = RESOLVER_ENDPOINT,
                                    .family = AF_UNSPEC,
                                    .user_agent = our_agent,
                                    .trust = probe->trust,
                                    .policy = probe->policy,
                                    .is_trusted = true};
    visits_add(probe->visits, &request, &watcher->visit);
}

static void get_ticket(struct probe *probe, struct ticket *ticket)
{
    struct err err = {0};
    json_t *answer = running_ask(probe->config, json_pack("{s:s}", "command", "expect"), &err);
    const char *nonce = json_string_value(json_object_get(answer, "nonce"));
    if (nonce && strlen(nonce) < sizeof ticket->nonce) {
        snprintf(ticket->nonce, sizeof ticket->nonce, "%s", nonce);
        snprintf(ticket->line, sizeof ticket->line, WITNESS_HEADER ": %s", nonce);
    }
    probe->facts->public.stopped = err.code == ERR_NOT_FOUND;
    json_decref(answer);
}

static void take_text(char *to, size_t size, const json_t *from, const char *name)
{
    const char *text = json_string_value(json_object_get(from, name));
    text_printable(to, size, text ? text : "", text ? strlen(text) : 0);
}

static void take_sighting(struct sighting *sighting, const json_t *told)
{
    sighting->at_root = json_is_true(json_object_get(told, "at_root"));
    sighting->is_tls = json_is_true(json_object_get(told, "tls"));
    sighting->lacks_tls = json_is_true(json_object_get(told, "lacks_tls"));
    sighting->is_forwarded = json_is_true(json_object_get(told, "forwarded"));
    sighting->is_trusted = json_is_true(json_object_get(told, "trusted"));
    sighting->names_client = json_is_true(json_object_get(told, "names_client"));
    take_text(sighting->host, sizeof sighting->host, told, "host");
    take_text(sighting->scheme, sizeof sighting->scheme, told, "scheme");
    take_text(sighting->peer, sizeof sighting->peer, told, "peer");
}

/* NULL: nobody could say. */
static json_t *ask_what_came(const struct probe *probe, const struct ticket *ticket)
{
    struct err err;
    if (!*ticket->nonce)
        return NULL;
    return running_ask(probe->config,
                       json_pack("{s:s, s:s}", "command", "seen", "nonce", ticket->nonce), &err);
}

/* After the visits: what arrived of them. */
static void take_what_came(const struct probe *probe)
{
    struct public_facts *public = &probe->facts->public;
    json_t *page = ask_what_came(probe, &probe->page), *post = ask_what_came(probe, &probe->post);
    public->asked = page;
    public->seen = json_is_true(json_object_get(page, "seen"));
    public->post_seen = json_is_true(json_object_get(post, "seen"));
    if (public->seen)
        take_sighting(&public->sighting, page);
    json_decref(page);
    json_decref(post);
}

/* People take the push server's address for ours. ntfy says what it is also where it shows no
 * pages. */
static void ask_for_mark(const struct probe *probe)
{
    struct public_facts *public = &probe->facts->public;
    char url[sizeof public->origin + sizeof HEALTH_OF_NTFY];
    if (!visit_answered(&public->visit) || public->visit.has_needle || public->seen)
        return;
    snprintf(url, sizeof url, "%s" HEALTH_OF_NTFY, public->origin);
    struct visit_request request = {.url = url,
                                    .lane = RESOLVER_ENDPOINT,
                                    .family = AF_UNSPEC,
                                    .user_agent = our_agent,
                                    .needle = "{\"healthy\":true}",
                                    .trust = probe->trust};
    visits_add(probe->visits, &request, &public->mark);
    visits_run(probe->visits);
}

/* A running server's unit may have one of its own. */
static void find_key(struct probe *probe)
{
    struct err err;
    json_t *told = NULL;
    if (*probe->page.nonce)
        told = running_ask(probe->config, json_pack("{s:s}", "command", "key"), &err);
    take_text(probe->key, sizeof probe->key, told, "key");
    json_decref(told);
    struct vapid *vapid = *probe->key ? NULL : vapid_from_config(probe->config, NULL);
    if (vapid)
        snprintf(probe->key, sizeof probe->key, "%s", vapid_public_text(vapid));
    vapid_free(vapid);
}

/* The linking page has our public key in it, which no other server's page has. */
static void visit_public(struct probe *probe)
{
    const struct config *config = probe->config;
    struct public_facts *public = &probe->facts->public;
    probe->facts->web = config->web_enabled;
    public->linking = probes_linking(config);
    if (config->web_listen.count)
        snprintf(public->listen, sizeof public->listen, "%s", config->web_listen.items[0]);
    if (!config->web_enabled || !config->web_public_url)
        return;
    write_origin(public->origin, config->web_public_url);
    get_ticket(probe, &probe->page);
    find_key(probe);
    if (!*probe->key && !*probe->page.nonce)
        return;
    public->secure = text_starts(public->origin, "https:");
    struct visit_request request = {.url = config->web_public_url,
                                    .lane = RESOLVER_ENDPOINT,
                                    .family = AF_UNSPEC,
                                    .user_agent = our_agent,
                                    .needle = *probe->key ? probe->key : NULL,
                                    .header = *probe->page.nonce ? probe->page.line : NULL,
                                    .trust = probe->trust};
    visits_add(probe->visits, &request, &public->visit);
    request.header = NULL;
    visit_families(probe, request, &public->v4, &public->v6);
    if (*probe->page.nonce)
        get_ticket(probe, &probe->post);
    if (!*probe->post.nonce)
        return;
    request.needle = NULL;
    request.header = probe->post.line;
    request.json = "{}";
    visits_add(probe->visits, &request, &public->post);
}

static int prepare(struct probe *probe, struct err *err)
{
    const struct config *config = probe->config;
    probe->policy = policy_new(config, err);
    if (!probe->policy)
        return err->code;
    probe->trust = trust_load(NULL, config->push_ca_file, err);
    if (!probe->trust)
        return err->code;
    probe->roots = roots_load(config->signal_ca_file, err);
    if (!probe->roots)
        return err->code;
    probe->visits = visits_new(config, err);
    return probe->visits ? 0 : err->code;
}

static void finish(struct probe *probe)
{
    visits_free(probe->visits);
    X509_STORE_free(probe->roots);
    trust_free(probe->trust);
    policy_free(probe->policy);
}

int probes_run(struct probe_facts *facts, const struct config *config, const json_t *status,
               struct err *err)
{
    struct probe probe = {.config = config, .facts = facts};
    *facts = (struct probe_facts){.told = json_object_get(status, "told")};
    int result = prepare(&probe, err);
    if (result == 0) {
        visit_signal(&probe);
        visit_origins(&probe, status);
        visit_watcher(&probe, config->alert_url, &facts->alerts);
        visit_watcher(&probe, config->alert_heartbeat_url, &facts->heartbeat);
        visit_public(&probe);
        visits_run(probe.visits);
        take_what_came(&probe);
        ask_for_mark(&probe);
    }
    finish(&probe);
    return result;
}

enum linking probes_linking(const struct config *config)
{
    if (config->web_enabled && config->web_public_url)
        return LINKING_BY_WEB;
    bool is_answered = !config_is_of_package(config, "web.public_url"); /* by none */
    return !config->web_enabled || is_answered ? LINKING_BY_HAND : LINKING_UNKNOWN;
}
