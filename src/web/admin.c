#include "web/admin.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "bridge/limits.h"
#include "web/admin_page.h"
#include "web/admin_test.h"
#include "web/form.h"
#include "web/frame.h"
#include "web/same_origin.h"
#include "web/side.h"

enum {
    SEARCH_SIZE = 64, /* longer than any pseudonym */
    COOKIE_TAG_BYTES = 4,
    COOKIE_NAME_SIZE = 32,
    COOKIES_MAX = 8,                /* that one request may try */
    COMPLAINT_EVERY_MS = 60 * 1000, /* of what anybody can cause, into the log */
};

struct admin {
    struct loop *loop;
    struct bridge *bridge;
    struct push *push;
    const struct lookout *lookout;
    struct proxies proxies;
    struct limits wrong_tokens; /* by client network */
    struct bucket wrong_complaints, file_complaints;
    struct admin_sessions sessions;
    struct admin_tests tests;
    struct side *side;
    bool on_web;
    char *token_file, *public_url;
    int64_t session_ms;
};

static const char below[] = "/admin";

static const struct side_words words = {
    .setting = "admin.listen",
    .is = "The status page is",
    .path = "/",
    .without = "there is no status page",
    .open = ", where its token goes unencrypted unless a proxy with HTTPS stands in front",
};

/* One request. */
struct visit {
    struct admin *admin;
    struct exchange *exchange;
    const char *path; /* within the page: "", "login" */
    uint8_t token_hash[ADMIN_HASH_SIZE];
    char cookie_name[COOKIE_NAME_SIZE];
    struct admin_session *session; /* NULL: nobody is logged in */
};

/* Browsers keep cookies by host, whatever the port: two Doorbells there must not take away each
 * other's, so a name is the token's. */
static void name_cookie(struct visit *visit)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char tag[2 * COOKIE_TAG_BYTES + 1];
    crypto_hash_sha256(hash, visit->token_hash, sizeof visit->token_hash);
    sodium_bin2hex(tag, sizeof tag, hash, COOKIE_TAG_BYTES);
    snprintf(visit->cookie_name, sizeof visit->cookie_name, "doorbell_session_%s", tag);
}

static void find_session(struct visit *visit)
{
    struct admin *admin = visit->admin;
    for (size_t i = 0; i < COOKIES_MAX && !visit->session; i++) {
        char *id = form_cookie(&visit->exchange->request, visit->cookie_name, i);
        if (!id)
            return;
        visit->session =
            admin_sessions_find(&admin->sessions, visit->token_hash, id, loop_now_ms(admin->loop));
        mem_free_secret(id);
    }
}

static bool is_post_to(const struct visit *visit, const char *path)
{
    return strcmp(visit->exchange->request.method, "POST") == 0 && strcmp(visit->path, path) == 0;
}

static void refuse(struct visit *visit, const char *fault, int status)
{
    admin_page_login(&visit->exchange->response, fault);
    visit->exchange->response.status = status;
}

/* Without a path it is for the folder that the form was posted to, as the browser sees it: a proxy
 * may serve us below one that we do not know (RFC 6265 section 5.1.4). */
static void set_cookie(struct visit *visit, const char *id, int64_t seconds)
{
    visit->exchange->response.cookie = mem_format(
        "%s=%s; Max-Age=%lld; HttpOnly; SameSite=Strict%s", visit->cookie_name, id,
        (long long)seconds, same_origin_is_https(&visit->exchange->request) ? "; Secure" : "");
}

static void refuse_token(struct visit *visit, int64_t now_ms)
{
    struct admin *admin = visit->admin;
    struct address client;
    proxies_client(&admin->proxies, &visit->exchange->request, &client);
    if (bucket_take(&admin->wrong_complaints, now_ms))
        log_warn("Somebody gave a wrong admin token for the status page.");
    if (limits_admit(&admin->wrong_tokens, &client, false, now_ms)) {
        refuse(visit, "This is not the valid token: it was mistyped, or a newer one was made.",
               403);
        return;
    }
    _Static_assert(LIMITS_EVERY_MS == 5000, "what is told below is another time");
    refuse(visit,
           "This is not the valid token either, and many wrong ones came from your network. The "
           "right one opens the page at any time; try another one in 5 seconds, or make a new one.",
           429);
    visit->exchange->response.retry_after = "5";
}

/* The token is looked at before any limit: so many bits are not guessed, and strangers who use a
 * limit up must not keep the right one out. */
static void log_in(struct visit *visit)
{
    struct admin *admin = visit->admin;
    char id[ADMIN_ID_TEXT_SIZE];
    int64_t now_ms = loop_now_ms(admin->loop);
    char *token = form_of_body(&visit->exchange->request, "token");
    bool fits = token && admin_token_fits(visit->token_hash, token);
    mem_free_secret(token);
    if (!fits) {
        refuse_token(visit, now_ms);
        return;
    }
    log_info("The status page was opened with the admin token.");
    admin_sessions_open(&admin->sessions, visit->token_hash, now_ms + admin->session_ms, id);
    response_see_other(&visit->exchange->response, "./");
    set_cookie(visit, id, (admin->session_ms + 999) / 1000);
}

static void log_out(struct visit *visit)
{
    admin_sessions_close(visit->session);
    response_see_other(&visit->exchange->response, "./");
    set_cookie(visit, "", 0);
}

static void ask_for_test(struct visit *visit)
{
    const struct request *request = &visit->exchange->request;
    char *pseudonym = form_of_body(request, "account"), *device = form_of_body(request, "device");
    if (!pseudonym || !device ||
        admin_tests_begin(&visit->admin->tests, visit->session, pseudonym,
                          (unsigned)strtoul(device, NULL, 10), visit->exchange) != 0)
        frame_error(&visit->exchange->response, 404, "404: it has gone",
                    "There is no such account any more. <a href=\"./\">Back to the others</a>");
    free(pseudonym);
    free(device);
}

/* As the page itself names it; NULL: that is none. */
static const char *state_asked_for(const struct request *request)
{
    char *asked = form_of_query(request, "state");
    const char *found = NULL;
    for (int health = 0; asked && health < VIEW_HEALTHS; health++)
        if (strcmp(asked, view_health_name((enum view_health)health)) == 0)
            found = view_health_name((enum view_health)health);
    free(asked);
    return found;
}

static void show(struct visit *visit)
{
    const struct request *request = &visit->exchange->request;
    char *query = form_of_query(request, "q"), *number = form_of_query(request, "page");
    char search[SEARCH_SIZE] = "";
    const struct admin *admin = visit->admin;
    struct admin_sight sight;
    struct admin_asked asked = {.search = search,
                                .state = state_asked_for(request),
                                .page = number ? strtoul(number, NULL, 10) : 1};
    if (query)
        text_printable(search, sizeof search, query, strlen(query));
    admin_sight_take(&sight, admin->bridge, &asked, clock_wall_ms());
    push_figures(admin->push, &sight.pushes);
    lookout_figures(admin->lookout, &sight.lookout);
    lookout_delivery(admin->lookout, LOOKOUT_ALERTS, &sight.alerts);
    lookout_delivery(admin->lookout, LOOKOUT_HEARTBEATS, &sight.heartbeats);
    admin_page(&visit->exchange->response, &sight, &asked, &visit->session->test);
    admin_sight_free(&sight);
    free(query);
    free(number);
}

static void answer_post(struct visit *visit)
{
    if (!same_origin(&visit->exchange->request, visit->admin->public_url))
        frame_error(&visit->exchange->response, 403, "403: not from this page",
                    "This did not come from the status page itself. If it did, the proxy in front "
                    "hands on another Host than the browser asked for: let it hand on that one, or "
                    "set web.public_url. <a href=\"./\">Back</a>");
    else if (is_post_to(visit, "login"))
        log_in(visit);
    else if (!visit->session)
        refuse(visit, "You are not logged in, or not any more.", 403);
    else if (is_post_to(visit, "logout"))
        log_out(visit);
    else
        ask_for_test(visit);
}

static bool is_form(const char *path)
{
    return strcmp(path, "login") == 0 || strcmp(path, "logout") == 0 || strcmp(path, "test") == 0;
}

static void answer(struct visit *visit)
{
    if (!request_is_get(&visit->exchange->request))
        answer_post(visit);
    else if (is_form(visit->path)) /* what a POST answered is loaded again */
        response_see_other(&visit->exchange->response, "./");
    else if (visit->session)
        show(visit);
    else
        admin_page_login(&visit->exchange->response, NULL);
}

/* What is no page and no form is told before anybody is asked for a token. */
static bool refuse_unknown(struct exchange *exchange, const char *path)
{
    const struct request *request = &exchange->request;
    if (*path && !is_form(path)) {
        frame_error(&exchange->response, 404, "404: there is nothing here",
                    "The status page has no such part. <a href=\"./\">Back</a>");
        return true;
    }
    bool is_known =
        request_is_get(request) || (is_form(path) && strcmp(request->method, "POST") == 0);
    if (is_known)
        return false;
    frame_error(&exchange->response, 405, "405: not that way",
                "This part of the status page cannot be asked for in that way. "
                "<a href=\"./\">Back</a>");
    exchange->response.allow = is_form(path) ? "GET, HEAD, POST" : "GET, HEAD";
    return true;
}

/* The file is read each time: what was revoked, or made anew, is so at once. */
static void begin_visit(struct admin *admin, struct exchange *exchange, const char *path)
{
    struct visit visit = {.admin = admin, .exchange = exchange, .path = path};
    struct err err;
    if (refuse_unknown(exchange, path))
        return;
    int result = admin_token_load(admin->token_file, visit.token_hash, &err);
    if (result == ERR_NOT_FOUND) {
        admin_page_without_token(&exchange->response);
    } else if (result != 0) {
        if (bucket_take(&admin->file_complaints, loop_now_ms(admin->loop)))
            log_error("%s Make another one: doorbell admin token.", err.text);
        frame_error(&exchange->response, 500, "500: the admin token cannot be read",
                    "The log says why; <code>doorbell admin token</code> makes another one.");
    } else {
        name_cookie(&visit);
        find_session(&visit);
        answer(&visit);
    }
}

static void answer_on_side(void *arg, struct exchange *exchange)
{
    begin_visit(arg, exchange, exchange->request.path + strspn(exchange->request.path, "/"));
}

bool admin_takes(void *arg, const struct request *request)
{
    const struct admin *admin = arg;
    size_t length = sizeof below - 1;
    return admin->on_web && strncmp(request->path, below, length) == 0 &&
           (!request->path[length] || request->path[length] == '/');
}

void admin_answer_on_web(void *arg, struct exchange *exchange)
{
    const char *path = exchange->request.path + sizeof below - 1;
    if (*path)
        begin_visit(arg, exchange, path + 1);
    else /* what is relative on the page needs the slash */
        response_see_other(&exchange->response, "admin/");
}

static void take_settings(struct admin *admin, const struct config *config)
{
    struct err err;
    struct proxies proxies;
    if (proxies_parse(&proxies, &config->web_trusted_proxies, &err) == 0)
        admin->proxies = proxies; /* else web_reload says why not */
    free(admin->token_file);
    free(admin->public_url);
    admin->token_file = mem_text(config->admin_token_file);
    admin->public_url = mem_text(config->web_public_url);
    admin->session_ms = config->admin_session_ms;
    admin->on_web = strcmp(config->admin_listen, "web") == 0;
    if (admin->on_web && !config->web_enabled)
        log_warn("admin.listen is web, but web.enabled is false: there is no status page.");
}

struct admin *admin_new(struct loop *loop, struct bridge *bridge, struct push *push,
                        const struct lookout *lookout, const struct config *config)
{
    struct admin *admin = mem_new(sizeof *admin);
    admin->loop = loop;
    admin->bridge = bridge;
    admin->push = push;
    admin->lookout = lookout;
    limits_init(&admin->wrong_tokens);
    bucket_init(&admin->wrong_complaints, COMPLAINT_EVERY_MS, 1);
    bucket_init(&admin->file_complaints, COMPLAINT_EVERY_MS, 1);
    admin_tests_init(&admin->tests, bridge, &admin->sessions);
    admin->side = side_new(loop, &words, &admin->proxies, answer_on_side, admin);
    admin_reload(admin, config);
    return admin;
}

void admin_reload(struct admin *admin, const struct config *config)
{
    take_settings(admin, config);
    side_follow(admin->side, admin->on_web ? "none" : config->admin_listen, config->web_timeout_ms);
}

const char *admin_refusal(const struct admin *admin)
{
    return side_refusal(admin->side);
}

void admin_free(struct admin *admin)
{
    if (!admin)
        return;
    side_free(admin->side);
    admin_tests_fini(&admin->tests);
    limits_fini(&admin->wrong_tokens);
    free(admin->token_file);
    free(admin->public_url);
    free(admin);
}
