/* The few lines by which a reverse proxy leads to Doorbell, for the linking page and for "doorbell
 * setup"; whole samples are below config/proxies. Pure. */
#ifndef DOORBELL_WEB_PROXY_SNIPPETS_H
#define DOORBELL_WEB_PROXY_SNIPPETS_H

#include <stdbool.h>

struct proxy_snippet {
    const char *name; /* "nginx"; NULL behind the last one */
    const char *part; /* of its configuration, where they go: "the server block"; NULL: none */
    /* With {host}, {path}, {prefix}, which is the path without its last slash, and {upstream}. */
    const char *lines;
    const char *below_path; /* where the path is not "/": taken away, and told */
};

extern const struct proxy_snippet proxy_snippets[];

/* By what an answer's Server header says; NULL: none, or one that is not known. */
const struct proxy_snippet *proxy_snippet_of(const char *server);
/* The one whose proxy does not say who it is, by the status of its own answer; 0: none. */
const struct proxy_snippet *proxy_snippet_of_silent(int status);

/* Where Doorbell listens unless told otherwise. */
#define PROXY_SNIPPET_UPSTREAM "127.0.0.1:8020"

/* The caller frees them. `path` begins and ends with a slash, `upstream` is "127.0.0.1:8020". */
char *proxy_snippet_lines(const struct proxy_snippet *snippet, const char *host, const char *path,
                          const char *upstream);

#endif
