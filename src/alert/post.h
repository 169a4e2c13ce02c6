/* One HTTP request to a URL that the operator has written into the configuration: trusted, so that
 * private addresses and plain http are fine, and no policy of pushes applies. Names are looked up
 * by our resolver, at the place that push.connect_to has for them, nothing blocks the loop;
 * redirects are not followed, an answer is bounded and thrown away, and only 2xx counts. What is
 * told of a failure names neither path nor password. */
#ifndef DOORBELL_ALERT_POST_H
#define DOORBELL_ALERT_POST_H

#include "config/config.h"
#include "net/resolver.h"

struct posts;
struct post;

struct post_request {
    const char *url;
    const char *body;           /* NULL: a GET */
    const char *token;          /* NULL: none */
    const char *const *headers; /* "Name: value"; ends with NULL; may be NULL */
    int64_t connect_ms, total_ms;
};

/* `why` is a clause for people where it was not taken. */
typedef void post_fn(void *arg, bool taken, const char *why);

/* NULL with `err` when libcurl or the roots to trust, which are those for push servers, cannot be
 * had. */
struct posts *posts_new(struct loop *loop, struct resolver *resolver, const struct config *config,
                        struct err *err);
void posts_free(struct posts *posts); /* every post must have ended or been cancelled */
/* What begins from now on trusts the roots of this configuration, and follows its
 * push.connect_to. */
int posts_reload(struct posts *posts, const struct config *config, struct err *err);

/* Copies the request. Calls `fn` once, never before returning; the post is over then. NULL when it
 * cannot even begin. */
struct post *post_start(struct posts *posts, const struct post_request *request, post_fn *fn,
                        void *arg);
void post_cancel(struct post *post); /* fn is not called */

#endif
