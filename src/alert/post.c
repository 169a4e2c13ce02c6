#include "alert/post.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/url.h"
#include "push/connect_to.h"
#include "push/curl_end.h"
#include "push/multi.h"
#include "push/route.h"
#include "push/trust.h"

enum {
    CONNECTIONS_MAX = 4,
    ANSWER_MAX = 64 * 1024, /* headers and body; nobody reads it */
    BUFFER_SIZE = 4096,
    WHY_SIZE = 512,
};

struct posts {
    struct loop *loop;
    struct resolver *resolver;
    struct multi *multi;
    struct trust *trust;
    struct connect_to *connect_to;
};

struct post {
    struct posts *owner;
    CURL *easy;
    bool running; /* curl has it */
    struct lookup *lookup;
    struct url url;
    char *body;
    struct curl_slist *headers;
    struct route route;
    struct connect_target target;
    bool elsewhere; /* it is connected to at the target */
    post_fn *fn;
    void *arg;
    int64_t deadline_ms, connect_ms;
    size_t answered; /* bytes */
    char curl_says[CURL_ERROR_SIZE];
};

static void post_free(struct post *post)
{
    if (post->easy)
        curl_easy_cleanup(post->easy);
    for (struct curl_slist *line = post->headers; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data)); /* the token is in one */
    curl_slist_free_all(post->headers);
    url_fini(&post->url);
    free(post->body);
    free(post);
}

static void finish(struct post *post, bool taken, const char *why)
{
    char text[WHY_SIZE];
    text_printable(text, sizeof text, why, strlen(why));
    post->fn(post->arg, taken, text);
    post_free(post);
}

static const char *advice(long status)
{
    if (status / 100 == 3)
        return "; it redirects, so write where to into the setting";
    if (status == 401 || status == 403)
        return "; check the token, or the password in the URL";
    if (status == 404)
        return "; check the path of the URL";
    return "";
}

/* What mends it is the same as for a push server; who it is is known. */
static void write_failure(char why[WHY_SIZE], enum push_failure failure, const char *detail)
{
    static const char *const words[] = {[PUSH_NO_ADDRESS] = "its name has no address",
                                        [PUSH_NO_CONNECT] = "it cannot be reached",
                                        [PUSH_NO_TLS] = "there is no trusted TLS connection to it",
                                        [PUSH_UNTIMELY] =
                                            "by this machine's clock its certificate is not valid",
                                        [PUSH_NO_ANSWER] = "it gives no answer in time",
                                        [PUSH_BROKEN] = "it closes the connection without an "
                                                        "answer",
                                        [PUSH_OURS] = "the request cannot be made here"};
    const char *advice = verdict_advice(verdict_cause_of_failure(failure));
    bool has_words = failure < sizeof words / sizeof *words && words[failure];
    const char *what = words[has_words ? failure : PUSH_BROKEN];
    if (advice && failure != PUSH_OURS)
        snprintf(why, WHY_SIZE, "%s: %c%s (%s)", what, tolower((unsigned char)advice[0]),
                 advice + 1, detail);
    else
        snprintf(why, WHY_SIZE, "%s (%s)", what, detail);
}

static void explain(const struct post *post, CURLcode result, char why[WHY_SIZE])
{
    const char *detail = post->curl_says[0] ? post->curl_says : curl_easy_strerror(result);
    curl_off_t sent_us = 0;
    curl_easy_getinfo(post->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
    if (result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY)
        snprintf(why, WHY_SIZE, "what answers speaks no HTTP: check the port of the URL (%s)",
                 detail);
    else if (result == CURLE_SSL_CONNECT_ERROR)
        snprintf(why, WHY_SIZE,
                 "it makes no TLS connection: check that its port is one for https "
                 "(%s)",
                 detail);
    else
        write_failure(why, curl_end_failure(post->easy, result, sent_us > 0), detail);
}

static void on_ended(void *arg, CURLcode result)
{
    struct post *post = arg;
    long status = 0;
    char why[WHY_SIZE];
    post->running = false;
    curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200) /* perhaps the answer was longer than anybody wants to know */
        snprintf(why, sizeof why, "it answers %ld%s", status, advice(status));
    else
        explain(post, result, why);
    finish(post, status / 100 == 2, why);
}

/* Curl */

static size_t on_answer(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    struct post *post = arg;
    post->answered += size * count;
    return post->answered <= ANSWER_MAX ? size * count : 0;
}

static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
    (void)easy;
    const struct post *post = arg;
    trust_apply(post->owner->trust, context);
    return CURLE_OK;
}

static void prepare(struct post *post, const char *url)
{
    CURL *easy = post->easy;
    route_attach(&post->route, easy);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, post);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, post->curl_says);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Doorbell/" DOORBELL_VERSION);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L); /* minutes lie between two */
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, post);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, post);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->headers);
    if (!post->body)
        return;
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(post->body));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body);
}

static void add_header(struct post *post, const char *line)
{
    struct curl_slist *longer = curl_slist_append(post->headers, line);
    if (longer)
        post->headers = longer;
}

static void add_headers(struct post *post, const struct post_request *request)
{
    add_header(post, "Expect:");
    for (const char *const *line = request->headers; line && *line; line++)
        add_header(post, *line);
    if (!request->token)
        return;
    char *line = mem_format("Authorization: Bearer %s", request->token);
    add_header(post, line);
    mem_free_secret(line);
}

/* Addresses */

static bool send_it(struct post *post, const struct address_list *addresses)
{
    int64_t left_ms = post->deadline_ms - loop_now_ms(post->owner->loop);
    int64_t total_ms = left_ms > 1 ? left_ms : 1; /* 0 would mean none to curl */
    route_write(&post->route, &post->url, post->elsewhere ? &post->target : NULL, addresses);
    route_apply(&post->route);
    curl_easy_setopt(post->easy, CURLOPT_TIMEOUT_MS, (long)total_ms);
    curl_easy_setopt(post->easy, CURLOPT_CONNECTTIMEOUT_MS,
                     (long)(post->connect_ms < total_ms ? post->connect_ms : total_ms));
    post->running = multi_add(post->owner->multi, post->easy);
    return post->running;
}

static void on_addresses(void *arg, const struct address_list *addresses, const struct err *err)
{
    struct post *post = arg;
    char why[WHY_SIZE];
    post->lookup = NULL;
    if (!addresses || addresses->count == 0) {
        write_failure(why, PUSH_NO_ADDRESS, err ? err->text : "none was found");
        finish(post, false, why);
        return;
    }
    if (!send_it(post, addresses))
        finish(post, false, "libcurl takes no further request");
}

static bool begin(struct post *post)
{
    struct resolver *resolver = post->owner->resolver;
    struct address_list addresses;
    post->elsewhere = connect_to_find(post->owner->connect_to, &post->url, &post->target);
    const char *host = post->elsewhere ? post->target.host : post->url.host;
    uint16_t port = post->elsewhere ? post->target.port : post->url.port;
    if (resolver_cached(resolver, RESOLVER_ENDPOINT, host, port, &addresses))
        return send_it(post, &addresses);
    post->lookup =
        resolver_start(resolver, RESOLVER_ENDPOINT, host, port, true, on_addresses, post);
    return post->lookup;
}

struct post *post_start(struct posts *posts, const struct post_request *request, post_fn *fn,
                        void *arg)
{
    struct post *post = mem_new(sizeof *post);
    post->owner = posts;
    post->fn = fn;
    post->arg = arg;
    post->body = mem_text(request->body);
    post->deadline_ms = loop_now_ms(posts->loop) + request->total_ms;
    post->connect_ms = request->connect_ms;
    post->easy = multi_easy_new();
    if (post->easy && url_parse(&post->url, request->url, NULL) == 0) {
        add_headers(post, request);
        prepare(post, request->url);
        if (begin(post))
            return post;
    }
    post_free(post);
    return NULL;
}

void post_cancel(struct post *post)
{
    if (post->lookup)
        resolver_cancel(post->lookup);
    if (post->running)
        multi_remove(post->owner->multi, post->easy);
    post_free(post);
}

struct posts *posts_new(struct loop *loop, struct resolver *resolver, const struct config *config,
                        struct err *err)
{
    struct posts *posts = mem_new(sizeof *posts);
    posts->loop = loop;
    posts->resolver = resolver;
    if (posts_reload(posts, config, err) != 0)
        goto failed;
    posts->multi = multi_new(loop, CONNECTIONS_MAX, on_ended);
    if (posts->multi)
        return posts;
    err_set(err, ERR_IO, "libcurl cannot be set up for alerts");
failed:
    posts_free(posts);
    return NULL;
}

void posts_free(struct posts *posts)
{
    if (!posts)
        return;
    multi_free(posts->multi);
    trust_free(posts->trust);
    connect_to_free(posts->connect_to);
    free(posts);
}

int posts_reload(struct posts *posts, const struct config *config, struct err *err)
{
    struct trust *trust = trust_load(NULL, config->push_ca_file, err);
    struct connect_to *connect_to = trust ? connect_to_new(&config->push_connect_to, err) : NULL;
    if (!connect_to) {
        trust_free(trust);
        return ERR_INVALID;
    }
    trust_free(posts->trust);
    connect_to_free(posts->connect_to);
    posts->trust = trust;
    posts->connect_to = connect_to;
    return 0;
}
