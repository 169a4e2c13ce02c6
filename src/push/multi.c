#include "push/multi.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"

/* It lives until libuv has let go of its timer. */
struct multi {
    CURLM *handle;
    struct loop *loop;
    multi_ended_fn *ended;
    uv_timer_t timeout;  /* curl's, set thrice in each request: not among thousands of ours */
    bool in_timeout;     /* it fires */
    struct timer report; /* something ended while a handle was being added */
    struct list watches;
    int added;
};

/* One socket that curl waits for. It lives until libuv has let go of it. */
struct watch {
    uv_poll_t poll;
    struct list node;
    struct multi *multi;
    curl_socket_t fd;
    int events;
};

CURL *multi_easy_new(void)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    /* 7.88 sets its own store after CURLOPT_SSL_CTX_FUNCTION, but takes that one's for its own
     * unless it kept one. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 1L);
    return easy;
}

static void report_ended(void *arg)
{
    struct multi *multi = arg;
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi->handle, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        char *owner = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
        multi_remove(multi, easy); /* `message` is void from here on */
        multi->ended(owner, result);
    }
}

static void on_timeout(uv_timer_t *timeout)
{
    struct multi *multi = timeout->data;
    int running;
    multi->in_timeout = true;
    curl_multi_socket_action(multi->handle, CURL_SOCKET_TIMEOUT, 0, &running);
    report_ended(multi);
    multi->in_timeout = false;
}

/* libuv tells a reset as an error, without saying that there may be an answer to read before it,
 * and stops waiting. Curl gets to see the socket's own error, behind what can be read. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = poll->data;
    struct multi *multi = watch->multi;
    if (status < 0) {
        events = UV_READABLE | UV_WRITABLE;
        uv_poll_start(poll, watch->events, on_ready);
    }
    int what = events & UV_READABLE ? CURL_CSELECT_IN : 0;
    what |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    int running;
    curl_multi_socket_action(multi->handle, watch->fd, what, &running);
    report_ended(multi);
}

static void free_watch(uv_handle_t *handle)
{
    free(handle->data);
}

static void watch_end(struct watch *watch)
{
    list_remove(&watch->node);
    uv_close((uv_handle_t *)&watch->poll, free_watch);
}

static struct watch *watch_new(struct multi *multi, curl_socket_t fd)
{
    struct watch *watch = mem_new(sizeof *watch);
    int failed = uv_poll_init_socket(&multi->loop->uv, &watch->poll, fd);
    if (failed) {
        log_error("A push server's connection cannot be watched: %s", uv_strerror(failed));
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->multi = multi;
    watch->fd = fd;
    list_append(&multi->watches, &watch->node);
    curl_multi_assign(multi->handle, fd, watch);
    return watch;
}

/* Never answers -1: that would end every transfer of the handle. A socket that cannot be watched
 * runs into its deadline instead. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct multi *multi = arg;
    struct watch *watch = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            curl_multi_assign(multi->handle, fd, NULL);
            watch_end(watch);
        }
        return 0;
    }
    if (!watch)
        watch = watch_new(multi, fd);
    if (!watch)
        return 0;
    watch->events = what & CURL_POLL_IN ? UV_READABLE : 0;
    watch->events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    uv_poll_start(&watch->poll, watch->events, on_ready);
    return 0;
}

static int on_timer(CURLM *handle, long timeout_ms, void *arg)
{
    (void)handle;
    struct multi *multi = arg;
    /* As in loop.c: others get their turn, too, whichever of the two timers it is that fires. */
    long soonest_ms = multi->in_timeout || multi->loop->firing ? 1 : 0;
    if (timeout_ms < 0)
        uv_timer_stop(&multi->timeout);
    else
        uv_timer_start(&multi->timeout, on_timeout,
                       (uint64_t)(timeout_ms > soonest_ms ? timeout_ms : soonest_ms), 0);
    return 0;
}

struct multi *multi_new(struct loop *loop, long most_connections, multi_ended_fn *ended)
{
    CURLM *handle = curl_multi_init();
    if (!handle)
        return NULL;
    struct multi *multi = mem_new(sizeof *multi);
    multi->handle = handle;
    multi->loop = loop;
    multi->ended = ended;
    list_init(&multi->watches);
    uv_timer_init(&loop->uv, &multi->timeout);
    multi->timeout.data = multi;
    timer_init(&multi->report, report_ended, multi);
    curl_multi_setopt(handle, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(handle, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(handle, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(handle, CURLMOPT_TIMERDATA, multi);
    curl_multi_setopt(handle, CURLMOPT_MAXCONNECTS, most_connections);
    curl_multi_setopt(handle, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return multi;
}

static void free_multi(uv_handle_t *timeout)
{
    free(timeout->data);
}

void multi_free(struct multi *multi)
{
    if (!multi)
        return;
    curl_multi_cleanup(multi->handle);
    list_each_safe(node, &multi->watches)
        watch_end(list_owner(node, struct watch, node));
    loop_timer_cancel(multi->loop, &multi->report);
    uv_close((uv_handle_t *)&multi->timeout, free_multi);
}

bool multi_add(struct multi *multi, CURL *easy)
{
    if (curl_multi_add_handle(multi->handle, easy) != CURLM_OK)
        return false;
    multi->added++;
    int running = multi->added;
    curl_multi_socket_action(multi->handle, CURL_SOCKET_TIMEOUT, 0, &running);
    if (running < multi->added)
        loop_timer_set(multi->loop, &multi->report, 0);
    return true;
}

void multi_remove(struct multi *multi, CURL *easy)
{
    curl_multi_remove_handle(multi->handle, easy);
    multi->added--;
}
